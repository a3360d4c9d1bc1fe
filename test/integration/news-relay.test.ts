// Goal: of what is committed nothing is left out of the news, nothing is told out of order in its show, and what is told
// twice has the same id, whenever nodes are killed and however the sink behaves.
// Method: real Postgres, the real allocator, a sink that writes down what reached it (also where it then says no, says
// nothing, or dies with its node); at the end the log is read and compared.

import t, { type Test } from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { newsTypeOf } from "../../allocator/news/news-of.ts";
import { PostgresNewsStore } from "../../allocator/news/postgres-news-store.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { Command } from "../../shared/protocol/command.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import type { News, NewsSink, NewsType } from "../../shared/protocol/show-news.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  byQuantity,
  bySeats,
  confirm,
  InLine,
  joinLine,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  release,
  startNode,
  type TestNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

type Wants = (type: NewsType) => boolean;
const everything: Wants = () => true;

/** What reached the outside, in the order in which it did. */
class World {
  readonly heard: News[] = [];

  /** What reached it of each show: sequence and index, in order. */
  places(): Map<string, string[]> {
    const shows = new Map<string, string[]>();
    for (const { id } of this.heard) {
      const showId = id.slice(0, id.indexOf(":"));
      shows.set(showId, [...(shows.get(showId) ?? []), id]);
    }
    return shows;
  }

  /** The sink of one node, which dies with it. `behave` says how many to take and what to answer. */
  sink({
    name = "world",
    wants = everything,
    behave = takeAll,
  }: {
    name?: string;
    wants?: Wants;
    behave?: Behaviour;
  } = {}) {
    let isDead = false;
    const sink: NewsSink = {
      name,
      wants,
      tell: async (news) => {
        const { taken, answer, afterMs } = behave(news.length);
        if (afterMs > 0) await sleepMs(afterMs, systemTimers);
        if (isDead) return new Promise<number>(() => undefined);
        this.heard.push(...news.slice(0, taken));
        if (answer === "never") return new Promise<number>(() => undefined);
        if (answer === "no") throw new Error("not now");
        return answer;
      },
    };
    const die = (): void => {
      isDead = true;
    };
    return { sink, die };
  }
}

interface Reaction {
  readonly taken: number;
  readonly answer: number | "no" | "never";
  readonly afterMs: number;
}
type Behaviour = (count: number) => Reaction;
const takeAll: Behaviour = (count) => ({ taken: count, answer: count, afterMs: 0 });

/** Says no, takes a part, takes more than it says, is slow; and at times never answers. */
function moody(random: SeededRandom): Behaviour {
  return (count) => {
    const afterMs = random.below(4) === 0 ? random.below(20) : 0;
    const part = random.below(count + 1);
    switch (random.below(12)) {
      case 0:
        return { taken: 0, answer: "no", afterMs };
      case 1:
        return { taken: part, answer: "no", afterMs };
      case 2:
        return { taken: part, answer: part, afterMs };
      case 3:
        return { taken: count, answer: part, afterMs };
      case 4:
        return random.below(8) === 0 ? { taken: part, answer: "never", afterMs } : takeAll(count);
      default:
        return { ...takeAll(count), afterMs };
    }
  };
}

/** By the log: the ids of all wanted events of each show, in order. */
async function wantedIds({ pool }: TestDatabase, wants = everything): Promise<Map<string, string[]>> {
  const { rows } = await pool.query<{ show_id: string; seq: number; events: string }>(
    "SELECT show_id, seq, events FROM show_log ORDER BY show_id, seq",
  );
  const shows = new Map<string, string[]>();
  const cancelled = new Set<string>();
  for (const { show_id: showId, seq, events } of rows) {
    for (const [index, event] of (JSON.parse(events) as ShowEvent[]).entries()) {
      const type = newsTypeOf(event, cancelled.has(showId));
      if ("terms" in event && event.terms.cancelled) cancelled.add(showId);
      if (wants(type)) shows.set(showId, [...(shows.get(showId) ?? []), `${showId}:${seq}:${index}`]);
    }
  }
  return shows;
}

const newsOfAll = (shows: ReadonlyMap<string, readonly string[]>): Set<string> => new Set([...shows.values()].flat());

/** Everything wanted was told, and of each show never one before all earlier ones. Answers how many were told twice. */
async function isComplete(t: Test, database: TestDatabase, world: World, wants = everything): Promise<number> {
  const wanted = await wantedIds(database, wants);
  const told = world.places();
  t.same(newsOfAll(told), newsOfAll(wanted), "all that is in the log, and nothing else");
  for (const [showId, ids] of told) {
    const order = wanted.get(showId) ?? [];
    let last = -1;
    const leaps = ids.filter((id) => {
      const at = order.indexOf(id);
      const isLeap = at > last + 1;
      last = at;
      return isLeap;
    });
    t.same(leaps, [], `${showId}: in order, and what is told again is told from there on`);
  }
  const texts = new Map<string, string>();
  for (const news of world.heard) {
    const text = JSON.stringify(news);
    if (texts.has(news.id) && texts.get(news.id) !== text) t.equal(text, texts.get(news.id), "the same said twice");
    texts.set(news.id, text);
  }
  return world.heard.length - newsOfAll(told).size;
}

const allTold = (database: TestDatabase, world: World, wants = everything) =>
  until("all is told", async () => {
    const wanted = await wantedIds(database, wants);
    return newsOfAll(world.places()).size >= newsOfAll(wanted).size;
  });

async function book(
  node: TestNode,
  showId: ShowId,
  ...seats: number[]
): Promise<{ id: BookingId; session: SessionId }> {
  const session = newSession();
  const port = () => node.port;
  const { id } = bookingIn(await askUntilAnswered(port, showId, placeHold(bySeats(...seats), session)));
  bookingIn(await askUntilAnswered(port, showId, confirm(id, session)));
  return { id, session };
}

const cursors = async ({ pool }: TestDatabase, sink = "world"): Promise<Record<string, number>> => {
  const { rows } = await pool.query<{ show_id: string; seq: number }>(
    "SELECT show_id, seq FROM news_cursor WHERE sink = $1 ORDER BY show_id",
    [sink],
  );
  return Object.fromEntries(rows.map((row) => [row.show_id, row.seq]));
};

t.test("what happens is told as it is committed; a restart in good order repeats nothing", async (t) => {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool)) as [ShowId];
  const world = new World();
  const n1 = await startNode(t, database, "n1", { sinks: [world.sink().sink] });
  const { id, session } = await book(n1, showId, 0, 1);
  await until("the booking is told", () => world.heard.some(({ type }) => type === "booking.confirmed"));
  t.same(
    world.heard.map(({ type }) => type),
    ["show.opened", "hold.placed", "booking.confirmed"],
  );
  const wanted = { show_id: showId, booking_id: id, session_id: session, total: 2_400, currency: "USD" };
  t.match(world.heard[2], { id: `${showId}:3:0`, subject: id, data: wanted });
  t.equal((world.heard[2]?.data.seats ?? []).length, 2, "its seats by their labels");
  await n1.stop();
  t.same(await cursors(database), { [showId]: 3 });
  const n2 = await startNode(t, database, "n2", { sinks: [world.sink().sink] });
  await book(n2, showId, 2);
  await allTold(database, world);
  t.equal(await isComplete(t, database, world), 0, "nothing twice");
  t.same(n2.errors(), []);
});

t.test(
  "a new sink begins with the present; a show opened afterwards is told from its start, also after a crash",
  async (t) => {
    const database = await pg.freshDatabase();
    const shows = await putOnSale(database.pool, { shows: 3 });
    const [old, untouched, later] = shows as [ShowId, ShowId, ShowId];
    const n0 = await startNode(t, database, "n0");
    await book(n0, old, 0);
    await book(n0, untouched, 0);
    const world = new World();
    const first = world.sink({ behave: () => ({ taken: 0, answer: "never", afterMs: 0 }) });
    await n0.stop();
    const n1 = await startNode(t, database, "n1", { sinks: [first.sink] });
    t.same(await cursors(database), { [old]: 3, [untouched]: 3 });
    await book(n1, old, 1);
    await book(n1, later, 0);
    n1.crash();
    first.die();
    // Nobody asks for any of them: a sold seat has no deadline, so only the sweep finds them.
    await startNode(t, database, "n2", { sinks: [world.sink().sink] });
    await until("all since then is told", () => world.heard.length >= 5);
    const wanted = [`${old}:4:0`, `${old}:5:0`, `${later}:1:0`, `${later}:2:0`, `${later}:3:0`];
    t.same(new Set(world.heard.map(({ id }) => id)), new Set(wanted));
    t.equal(world.heard.length, 5);
  },
);

t.test("a sink by which others are told from now on begins where they were, not with the present", async (t) => {
  const database = await pg.freshDatabase();
  const shows = await putOnSale(database.pool, { shows: 3 });
  const [old, between, later] = shows as [ShowId, ShowId, ShowId];
  const n0 = await startNode(t, database, "n0");
  await book(n0, old, 0);
  await n0.stop();
  const silent = new World().sink({ name: "mail", behave: () => ({ taken: 0, answer: "never", afterMs: 0 }) });
  const n1 = await startNode(t, database, "n1", { sinks: [silent.sink] });
  await book(n1, old, 1);
  await book(n1, between, 0);
  n1.crash();
  silent.die();
  const [heir, stranger] = [new World(), new World()];
  const sinks = [
    { ...heir.sink({ name: "stream" }).sink, heirTo: ["mail", "never told", "stream"] },
    { ...stranger.sink({ name: "another" }).sink, heirTo: ["never told"] },
  ];
  const n2 = await startNode(t, database, "n2", { sinks });
  await book(n2, later, 0);
  await until("all since is told", () => heir.heard.length >= 8 && stranger.heard.length >= 3);
  const since = [`${later}:1:0`, `${later}:2:0`, `${later}:3:0`];
  t.same(
    heir.heard.map(({ id }) => id).sort(),
    [`${old}:4:0`, `${old}:5:0`, `${between}:1:0`, `${between}:2:0`, `${between}:3:0`, ...since].sort(),
  );
  t.same(stranger.heard.map(({ id }) => id).sort(), since);
});

t.test("two nodes that make a sink known at once do it once", async (t) => {
  const { pool } = await pg.freshDatabase();
  await pool.query(
    `INSERT INTO show_lease SELECT 'show-' || n, 1, n, 'x', 0, false, 0, 0, 'l', '', '{}', '{}'
     FROM generate_series(1, 2000) AS n`,
  );
  const store = new PostgresNewsStore({ cell: pool, catalogue: pool });
  await Promise.all(Array.from({ length: 8 }, () => store.register("world")));
  const { rows } = await pool.query("SELECT count(*)::integer AS n, sum(seq)::integer AS sum FROM news_cursor");
  t.same(rows, [{ n: 2_000, sum: 2_001_000 }]);
  await store.register("other");
  await store.writeCursors("world", [
    ["show-7" as ShowId, 3],
    ["show-8" as ShowId, 30],
    ["show-new" as ShowId, 1],
  ]);
  t.match(await store.cursors("world", ["show-8" as ShowId, "none" as ShowId, "show-7" as ShowId]), [
    { showId: "show-8", seq: 30, layoutId: "l" },
    undefined,
    { showId: "show-7", seq: 7 },
  ]);
  await pool.query("UPDATE show_lease SET seq = seq + 5 WHERE show_id IN ('show-1', 'show-8', 'show-999')");
  const behind: string[] = [];
  let after = "";
  for (let page = 0; page < 10; page += 1) {
    const { lags, last } = await store.lags("world", after, 300);
    behind.push(...lags.map(({ showId, seq }) => `${showId} ${seq}`));
    if (last === undefined) break;
    after = last;
  }
  t.same(behind, ["show-1 6", "show-999 1004"], "one was told further than it was");
});

t.test("a sink that wants little hears little, and its cursors follow the log", async (t) => {
  const database = await pg.freshDatabase();
  const shows = await putOnSale(database.pool, { shows: 2 });
  const [sold, held] = shows as [ShowId, ShowId];
  const wants: Wants = (type) => type === "booking.confirmed";
  const world = new World();
  const n1 = await startNode(t, database, "n1", { sinks: [world.sink({ wants }).sink] });
  await book(n1, sold, 0);
  for (const seat of [0, 1, 2]) await n1.port.ask(held, placeHold(bySeats(seat)), ASK_MS);
  await allTold(database, world, wants);
  await n1.stop();
  t.same(
    world.heard.map(({ id }) => id),
    [`${sold}:3:0`],
  );
  t.same(await cursors(database), { [sold]: 3, [held]: 4 });
});

t.test("a show's cancelling is told once, whatever changes afterwards", async (t) => {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool)) as [ShowId];
  const world = new World();
  const n1 = await startNode(t, database, "n1", { sinks: [world.sink().sink] });
  await book(n1, showId, 0);
  const change = async (what: string): Promise<void> => {
    await database.pool.query(`UPDATE show SET ${what} WHERE show_id = $1`, [showId]);
    t.equal(wordOf(await n1.port.ask(showId, { kind: "RefreshTerms" }, ASK_MS)), "done");
  };
  await change("hold_ttl_s = 100");
  await change("cancelled = true");
  await change("hold_ttl_s = 200");
  await until("its booking is cancelled", () => world.heard.some(({ type }) => type === "booking.cancelled"));
  await allTold(database, world);
  const types = world.heard.map(({ type }) => type);
  t.same(
    types.filter((type) => type.startsWith("show.")),
    ["show.opened", "show.changed", "show.cancelled", "show.changed"],
  );
  await isComplete(t, database, world);
});

/** The same command until a node that lives answers it. */
async function askAnyNode(node: () => TestNode, showId: ShowId, command: Command): Promise<Reply> {
  for (;;) {
    const asked = node();
    const reply = await Promise.race([asked.port.ask(showId, command, ASK_MS), asked.crashed]);
    if (reply !== undefined && reply.kind !== "fault") return reply;
    await sleepMs(20, systemTimers);
  }
}

/** Somebody who does one thing after another in one show, whichever node is there. */
async function guest(showId: ShowId, node: () => TestNode, random: SeededRandom, acts: number): Promise<void> {
  const ask = (command: Command) => askAnyNode(node, showId, command);
  for (let act = 0; act < acts; act += 1) {
    const session = newSession();
    const hold = await ask(placeHold(byQuantity(1 + random.below(3)), session));
    if (hold.kind !== "booking") {
      const join = joinLine(1 + random.below(2), session);
      if (wordOf(await ask(join)) === "waiting" && random.below(2) === 0) await ask(new InLine(showId, join).leave());
      continue;
    }
    const { id } = hold.booking;
    const choice = random.below(4);
    if (choice === 0) await ask(release(id, session));
    else if (choice > 1) {
      await ask(confirm(id, session));
      if (choice === 3) await ask({ kind: "CancelBooking", session, operation: newOperation(), bookingId: id });
    }
  }
}

for (const seed of [1, 2]) {
  t.test(`nodes are killed, the sink is moody: seed ${seed}`, async (t) => {
    const database = await pg.freshDatabase();
    const shows = await putOnSale(database.pool, { shows: 6, rows: 2 });
    const random = new SeededRandom(seed);
    const world = new World();
    const start = async (name: string) => {
      const { sink, die } = world.sink({ behave: moody(random) });
      return { node: await startNode(t, database, name, { sinks: [sink] }), die };
    };
    let present = await start("n0");
    let guestsLeft = shows.length * 2;
    const guests = shows.flatMap((showId) =>
      [0, 1].map(async () => {
        await guest(showId, () => present.node, random, 25);
        guestsLeft -= 1;
      }),
    );
    let crashes = 0;
    const chaos = async (): Promise<void> => {
      while (guestsLeft > 0 && crashes < 6) {
        const from = world.heard.length;
        const enough = 20 + random.below(60);
        await until("more is told", () => world.heard.length > from + enough || guestsLeft === 0);
        crashes += 1;
        const old = present;
        // In good order too: then cursors are written, and the next begins in the midst.
        if (random.below(3) === 0) await old.node.stop();
        old.die();
        old.node.crash();
        present = await start(`n${crashes}`);
      }
    };
    await Promise.all([...guests, chaos()]);
    present.die();
    present.node.crash();
    const { sink } = world.sink();
    const last = await startNode(t, database, "last", { sinks: [sink] });
    await allTold(database, world);
    const repeated = await isComplete(t, database, world);
    t.comment(`${world.heard.length} told, ${repeated} of them again, ${crashes + 1} crashes`);
    t.ok(crashes >= 2 && repeated > 0, "it was not for nothing");
    t.same(last.errors(), []);
    await last.stop();
    const { rows } = await database.pool.query("SELECT show_id, seq FROM show_lease ORDER BY show_id");
    t.same(await cursors(database), Object.fromEntries(rows.map((row) => [row.show_id, row.seq])), "all is safe");
  });
}
