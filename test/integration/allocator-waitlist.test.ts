// Goal: the line survives whoever owns it. Method: allocators on a real server, killed and replaced at the worst moments:
// between a release and its offer, between an offer and its acceptance, with joins under way; then the line against what
// was acknowledged, and the audit.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { Command, JoinWaitlist } from "../../shared/protocol/command.ts";
import type { Reply, WaiterView } from "../../shared/protocol/reply.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  bySeats,
  holdIdOf,
  InLine,
  joinLine,
  placeHold,
  putOnSale,
  release,
  startNode,
  type TestNode,
  until,
  waiterIn,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

const ask = (node: TestNode, showId: ShowId, command: Command) => node.port.ask(showId, command, ASK_MS);

/** A show of ten seats in a row, all held by holds of two, and so many in line for two each. */
async function fullHouse(t: Test, waiters: number, options: Parameters<typeof putOnSale>[1] = {}) {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool, { rows: 1, seatsPerRow: 10, ...options })) as [ShowId];
  const first = await startNode(t, database, "first");
  const holds = [0, 2, 4, 6, 8].map((seat) => placeHold(bySeats(seat, seat + 1)));
  for (const hold of holds) bookingIn(await ask(first, showId, hold));
  const line: InLine[] = [];
  for (let i = 0; i < waiters; i += 1) {
    const join = joinLine(2);
    waiterIn(await ask(first, showId, join));
    line.push(new InLine(showId, join));
  }
  const giveUp = (i: number): Command => {
    const hold = holds[i] as (typeof holds)[0];
    return release(holdIdOf(showId, hold), hold.session);
  };
  return { database, showId, first, line, giveUp };
}

async function views(node: TestNode, showId: ShowId, line: readonly InLine[]): Promise<WaiterView[]> {
  const replies = await Promise.all(line.map((own) => ask(node, showId, own.poll())));
  // What the estimate rests on is what this owner saw itself.
  return replies.map((reply) => ({ ...waiterIn(reply), estimatedWaitMs: undefined }));
}

async function clean(t: Test, { pool }: TestDatabase): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, [], "the audit finds nothing");
}

t.test("killed and replaced, again and again: order, offers and versions stand exactly", async (t) => {
  const { database, showId, first, line, giveUp } = await fullHouse(t, 8);
  const [, second, third, fourth] = line as [InLine, InLine, InLine, InLine];
  await ask(first, showId, giveUp(0));
  await ask(first, showId, third.leave());
  const lower = fourth.lower(1);
  await ask(first, showId, lower);
  const before = await views(first, showId, line);
  t.same(
    before.map(({ status, position }) => `${status} ${position}`),
    ["offered 0", "waiting 1", "cancelled 0", "waiting 2", "waiting 3", "waiting 4", "waiting 5", "waiting 6"],
  );
  let node = first;
  for (const nodeId of ["second", "third"]) {
    node.crash();
    node = await startNode(t, database, nodeId);
    t.same(await views(node, showId, line), before, nodeId);
    const again = await ask(node, showId, lower);
    t.match(again, { kind: "waiter", replayed: true });
  }
  await ask(node, showId, giveUp(1));
  t.equal((await views(node, showId, [second]))[0]?.status, "offered", "the next in order");
  t.same(node.errors(), []);
  await clean(t, database);
});

t.test("killed with the release under way: its offer is made, by the one or the other, unasked", async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const { database, showId, first, line, giveUp } = await fullHouse(t, 3);
    const command = giveUp(0);
    const answer = ask(first, showId, command).catch(() => undefined);
    // At a moment of its own each time: before, within and after the commit.
    for (let i = 0; i < round; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    first.crash();
    const next = await startNode(t, database, "next");
    t.equal(wordOf(await askUntilAnswered(() => next.port, showId, command)), "released");
    const { rows } = await database.pool.query(
      "SELECT id, offer->'seats' AS seats FROM waiter WHERE status = 'offered'",
    );
    t.same(rows, [{ id: line[0]?.waiterId.slice(-22), seats: [0, 1] }]);
    t.same(
      (await views(next, showId, line)).map(({ status, position }) => `${status} ${position}`),
      ["offered 0", "waiting 1", "waiting 2"],
    );
    t.same(next.errors(), []);
    await clean(t, database);
    void answer;
  }
});

t.test("killed between an offer and its acceptance: taken up under the next, once, at the old price", async (t) => {
  const { database, showId, first, line, giveUp } = await fullHouse(t, 2);
  const [own] = line as [InLine];
  await ask(first, showId, giveUp(0));
  const [offered] = await views(first, showId, [own]);
  const accept = own.accept();
  first.crash();
  const second = await startNode(t, database, "second");
  await database.pool.query(`UPDATE show SET prices = '{"standard": 9900}'`);
  await ask(second, showId, { kind: "RefreshTerms" });
  const hold = bookingIn(await ask(second, showId, accept));
  t.match(hold, { seats: offered?.offer?.seats, total: offered?.offer?.total, session: own.session, status: "held" });
  second.crash();
  const third = await startNode(t, database, "third");
  t.match(await ask(third, showId, accept), { kind: "booking", replayed: true, booking: { id: hold.id } });
  t.match(await views(third, showId, [own]), [{ status: "accepted", holdId: hold.id, position: 0 }]);
  t.match(await ask(third, showId, own.accept()), { refusal: { code: "offer_lapsed", status: "accepted" } });
  t.match(await ask(third, showId, own.decline()), { refusal: { code: "offer_lapsed", status: "accepted" } });
  await clean(t, database);
});

t.test("an offer lapses under whoever owns the show by then, and the next is served in that turn", async (t) => {
  const { database, showId, first, line, giveUp } = await fullHouse(t, 2, {
    policies: { hold_ttl_s: 60, grace_s: 0, offer_ttl_s: 1 },
  });
  await ask(first, showId, giveUp(0));
  first.crash();
  const next = await startNode(t, database, "next");
  await until("the second has the offer", async () => {
    const { rows } = await database.pool.query("SELECT status FROM waiter ORDER BY place");
    return rows[0].status === "lapsed" && rows[1].status !== "waiting";
  });
  const { rows } = await database.pool.query(
    "SELECT events::jsonb AS events FROM show_log WHERE events LIKE '%OfferLapsed%' ORDER BY seq LIMIT 1",
  );
  t.match(rows[0].events, [
    { kind: "OfferLapsed", waiterId: line[0]?.waiterId },
    { kind: "OfferMade", waiterId: line[1]?.waiterId, seats: [0, 1] },
  ]);
  t.same(next.errors(), []);
  await next.stop();
  await clean(t, database);
});

t.test("two hundred join while allocators are killed: each has one place, in the order of the log", async (t) => {
  const { database, showId, first } = await fullHouse(t, 0);
  const nodes = [first];
  const joins = Array.from({ length: 200 }, () => joinLine(1));
  const told: WaiterView[] = [];
  /** One after the other, each asked again with its key until somebody answers. */
  const joinAll = async (mine: readonly JoinWaitlist[]): Promise<void> => {
    for (const join of mine) {
      for (let reply: Reply | undefined; reply === undefined || reply.kind === "fault"; ) {
        const node = nodes.at(-1) as TestNode;
        reply = await Promise.race([ask(node, showId, join), node.crashed.then(() => undefined)]);
        if (reply?.kind === "waiter") told.push(reply.waiter);
        else await sleepMs(10, systemTimers);
      }
    }
  };
  const joining = Promise.all(Array.from({ length: 20 }, (_, i) => joinAll(joins.slice(10 * i, 10 * i + 10))));
  for (let i = 1; i <= 4; i += 1) {
    await until("some more are in line", () => told.length >= 40 * i);
    const old = nodes.at(-1) as TestNode;
    // Half of them before the next is there, half while two believe that they own the line.
    if (i % 2 === 0) old.crash();
    nodes.push(await startNode(t, database, `k${i}`));
    if (i % 2 === 1) old.crash();
  }
  await joining;
  const node = nodes.at(-1) as TestNode;
  const found = await views(
    node,
    showId,
    joins.map((join) => new InLine(showId, join)),
  );
  const byId = new Map(told.map((view) => [view.id, view]));
  for (const { id, version, joinedAt, status } of found) {
    t.match(byId.get(id), { version, joinedAt, status }, "what was told stands");
  }
  t.equal(byId.size, 200);
  const inOrder = [...found].sort((a, b) => a.position - b.position);
  t.same(
    inOrder.map(({ position }) => position),
    joins.map((_, i) => i + 1),
  );
  t.ok(
    inOrder.every(({ version }, i) => i === 0 || version > (inOrder[i - 1]?.version ?? 0)),
    "the order of joining",
  );
  for (const { errors } of nodes) t.same(errors(/does not answer/), []);
  await clean(t, database);
});

t.test("keys of days ago: a place in line has one life", async (t) => {
  const { database, showId, first } = await fullHouse(t, 0);
  const join = joinLine(2);
  const own = new InLine(showId, join);
  waiterIn(await ask(first, showId, join));
  const leave = own.leave();
  await ask(first, showId, leave);
  await first.stop();
  const next = await startNode(t, database, "next");
  t.match(await ask(next, showId, join), { kind: "waiter", replayed: true, waiter: { status: "cancelled" } });
  t.match(await ask(next, showId, leave), { kind: "waiter", replayed: true, waiter: { status: "cancelled" } });
  const other = { ...join, operation: { ...join.operation, requestHash: -1 } };
  t.equal(wordOf(await ask(next, showId, other)), "idempotency_key_reused");
  const hold = placeHold(bySeats(0), join.session, { ...join.operation, requestHash: -1 });
  t.equal(wordOf(await ask(next, showId, hold)), "idempotency_key_reused", "a place's key holds nothing");
  t.equal(wordOf(await ask(next, showId, joinLine(2, join.session))), "waiting", "another key joins anew, at the end");
  t.same(next.errors(), []);
  await clean(t, database);
});
