// Goal: what the relay promises of memory and order when a sink is slow, picky, failing, hanging or away, to the call.
// Method: the relay over a store in memory, with time in the test's hand.

import t from "tap";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { createMetrics } from "../../shared/platform/metrics.ts";
import type { News, NewsType } from "../../shared/protocol/show-news.ts";
import { LAYOUT } from "../../test/harness/fake-journal.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import type { ShowEvent } from "../core/event.ts";
import type { CommitEntry, LogTurn } from "../journal/journal.ts";
import type { Facts } from "./news-of.ts";
import type { NewsStore } from "./news-store.ts";
import { NewsRelay } from "./relay.ts";

const SHOW = "show-1" as ShowId;
const showId = (n: number): ShowId => `show-${n}` as ShowId;
const ID = (show: ShowId): BookingId => `${show}.BBBBBBBBBBBBBBBBBBBBBB` as BookingId;
const FACTS = { session: "session-a" as SessionId, seats: [0], total: 1_200, currency: "USD" };

/** The log, and how far the sink is in it. */
class Store implements NewsStore {
  readonly turns = new Map<ShowId, LogTurn[]>();
  readonly written = new Map<ShowId, number>();
  readonly calls: string[] = [];
  isAway = false;

  count(call: string): number {
    return this.calls.filter((name) => name === call).length;
  }

  async #called(name: string): Promise<void> {
    this.calls.push(name);
    if (this.isAway) throw new Error("away");
  }

  register = () => this.#called("register");
  async cursors(_: string, showIds: readonly ShowId[]) {
    await this.#called("cursors");
    return showIds.map((id) => ({ showId: id, seq: this.written.get(id) ?? 0, layoutId: "row" }));
  }
  async writeCursors(_: string, cursors: readonly (readonly [ShowId, number])[]) {
    await this.#called("write");
    for (const [id, seq] of cursors) this.written.set(id, Math.max(seq, this.written.get(id) ?? 0));
  }
  async lags(_: string, after: string, limit: number) {
    await this.#called("lags");
    const ids = [...this.turns.keys()]
      .sort()
      .filter((id) => id > after)
      .slice(0, limit);
    const lags = ids.map((id) => ({ showId: id, seq: this.turns.get(id)?.at(-1)?.seq ?? 0 }));
    return { lags: lags.filter((lag) => lag.seq > (this.written.get(lag.showId) ?? 0)), last: ids.at(-1) };
  }
  async log(id: ShowId, { after, upTo, limit }: { after: number; upTo: number; limit: number }) {
    await this.#called("log");
    const turns = this.turns.get(id) ?? [];
    return turns.filter(({ seq }) => seq > after && seq <= upTo).slice(0, limit);
  }
  wasCancelled = async () => false;
  async facts(id: ShowId): Promise<Facts> {
    await this.#called("facts");
    return { bookings: new Map([[ID(id), FACTS]]), waiters: new Map() };
  }
  async layout() {
    await this.#called("layout");
    return LAYOUT;
  }
}

const expired = (id: ShowId): ShowEvent => ({ kind: "HoldExpired", id: ID(id) });
const captured = (id: ShowId): ShowEvent => ({ kind: "PaymentCaptured", id: ID(id) });
type Telling = {
  readonly news: readonly News[];
  readonly at: number;
  answer(safe: number): Promise<void>;
  fail(): Promise<void>;
};

class House {
  readonly time = new FakeTime();
  readonly store = new Store();
  readonly tellings: Telling[] = [];
  /** Answers each call at once, unless undefined: then the test does. */
  react: ((news: readonly News[]) => number) | undefined = (news) => news.length;
  readonly relay: NewsRelay;

  constructor(wants: (type: NewsType) => boolean = () => true) {
    this.relay = new NewsRelay({
      sinks: [{ name: "sink", wants, tell: (news) => this.#tell(news) }],
      store: this.store,
      timers: this.time,
      random: () => 0.5,
      log: silentLog(),
      metrics: createMetrics(),
    });
  }

  #tell(news: readonly News[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const answer = async (safe: number): Promise<void> => {
        resolve(safe);
        await this.rest();
      };
      const fail = async (): Promise<void> => {
        reject(new Error("no"));
        await this.rest();
      };
      this.tellings.push({ news, at: this.time.nowMs, answer, fail });
      if (this.react === undefined) return;
      const safe = this.react(news);
      if (safe < 0) reject(new Error("no"));
      else resolve(safe);
    });
  }

  async begun(): Promise<this> {
    await this.relay.start();
    await this.rest();
    return this;
  }

  async rest(): Promise<void> {
    for (let i = 0; i < 10; i += 1) {
      await this.time.pass(0);
      await settled();
    }
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      await this.time.pass(Math.min(1_000, left));
      await this.rest();
    }
  }

  load(id: ShowId): void {
    const seq = this.store.turns.get(id)?.at(-1)?.seq ?? 0;
    const nothing = { epoch: 1, changes: [], touched: [], queued: 0 };
    this.relay.onCommitted({ showId: id, previous: seq, version: seq, ...nothing, isReload: true });
  }

  /** Each a turn's events; `isHeard`: the node learned of its commit. */
  commit(id: ShowId, turns: readonly (readonly ShowEvent[])[], isHeard = true): void {
    const log = this.store.turns.get(id) ?? [];
    this.store.turns.set(id, log);
    const previousSeq = log.length;
    const added = turns.map((events, i) => ({ seq: previousSeq + 1 + i, at: 0, events }));
    log.push(...added);
    const entry = {
      showId: id,
      previousSeq,
      seq: log.length,
      turns: added,
      bookings: [{ id: ID(id), ...FACTS }],
      waiters: [],
    };
    const update = {
      showId: id,
      epoch: 1,
      previous: previousSeq,
      version: log.length,
      changes: [],
      touched: [],
      queued: 0,
    };
    if (isHeard) this.relay.onCommitted(update, entry as unknown as CommitEntry, "row");
  }

  told(): string[] {
    return this.tellings.flatMap(({ news }) => news.map(({ id }) => id));
  }
}

t.test("in the usual case nothing is read: neither the log, nor a cursor, nor a row", async (t) => {
  const house = await new House().begun();
  house.load(SHOW);
  await house.rest();
  t.equal(house.store.count("cursors"), 1, "once, when it is loaded");
  for (let i = 0; i < 5; i += 1) {
    house.commit(SHOW, [[expired(SHOW)], [captured(SHOW)]]);
    t.equal(house.tellings.length, i, "not on the commit's path");
    await house.rest();
  }
  t.same(
    house.told(),
    Array.from({ length: 10 }, (_, i) => `show-1:${i + 1}:0`),
  );
  t.match(house.tellings[0]?.news[0]?.data, { session_id: "session-a", seats: ["A1"] });
  t.same([house.store.count("cursors"), house.store.count("log"), house.store.count("facts")], [1, 0, 0]);
  t.equal(house.store.written.size, 0);
  await house.pass(6_000);
  t.equal(house.store.written.get(SHOW), 10, "written every few seconds");
  const writes = house.store.count("write");
  await house.pass(20_000);
  t.equal(house.store.count("write"), writes, "and not again");
});

t.test("what nobody wants moves the cursor and costs nothing else", async (t) => {
  const house = await new House((type) => type === "payment.captured").begun();
  house.load(SHOW);
  await house.rest();
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  t.same([house.tellings.length, house.store.count("layout")], [0, 0]);
  house.commit(SHOW, [[expired(SHOW), captured(SHOW)]]);
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.pass(6_000);
  t.same(house.told(), ["show-1:2:1"]);
  t.equal(house.store.written.get(SHOW), 3);
});

t.test("a slow sink: memory is bounded, the rest comes from the log, at most 100 a call, in order", async (t) => {
  const house = await new House().begun();
  house.react = undefined;
  house.load(SHOW);
  await house.rest();
  for (let i = 0; i < 14_000; i += 1) house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  t.equal(house.tellings.length, 1, "one call a show");
  house.react = (news) => news.length;
  await house.tellings[0]?.answer(house.tellings[0].news.length);
  for (let i = 0; i < 100 && house.told().length < 14_000; i += 1) await house.rest();
  t.same(
    house.told(),
    Array.from({ length: 14_000 }, (_, i) => `show-1:${i + 1}:0`),
  );
  t.ok(house.tellings.every(({ news }) => news.length <= 100));
  t.ok(house.store.count("log") > 0, "what was too much was read");
  const reads = house.store.count("log");
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  t.same([house.told().length, house.store.count("log")], [14_001, reads], "and then it is told from memory again");
});

t.test("what is safe is not told again, to the event within a turn; the rest after a pause", async (t) => {
  const house = await new House().begun();
  house.react = undefined;
  house.load(SHOW);
  await house.rest();
  house.commit(SHOW, [[expired(SHOW), captured(SHOW), expired(SHOW)], [captured(SHOW)]]);
  await house.rest();
  await house.tellings[0]?.answer(2);
  t.equal(house.tellings.length, 1, "a pause");
  await house.pass(6_000);
  t.same(
    house.tellings[1]?.news.map(({ id }) => id),
    ["show-1:1:2", "show-1:2:0"],
  );
  t.equal(house.store.written.get(SHOW) ?? 0, 0, "a cursor stands between turns only");
  await house.tellings[1]?.answer(1);
  await house.pass(6_000);
  t.same(
    house.tellings[2]?.news.map(({ id }) => id),
    ["show-1:2:0"],
  );
  t.equal(house.store.written.get(SHOW), 1);
  for (const nonsense of [-1, 2, 0.5, Number.NaN]) {
    await house.tellings.at(-1)?.answer(nonsense);
    await house.pass(31_000);
    t.same(
      house.tellings.at(-1)?.news.map(({ id }) => id),
      ["show-1:2:0"],
      `${nonsense} is no answer`,
    );
  }
});

t.test("a show that fails pauses alone, longer each time, at most 30 s", async (t) => {
  const house = await new House().begun();
  house.react = (news) => (news[0]?.data.show_id === SHOW ? -1 : news.length);
  for (const id of [SHOW, showId(2)]) house.load(id);
  await house.rest();
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.pass(300_000);
  const times = house.tellings.map(({ at }) => at);
  const pauses = times.slice(1).map((at, i) => at - (times[i] as number));
  t.same(pauses.slice(0, 9), [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600]);
  t.ok(pauses.slice(9).every((pause) => pause === 30_000));
  house.commit(showId(2), [[expired(showId(2))]]);
  await house.rest();
  t.equal(house.tellings.at(-1)?.news[0]?.id, "show-2:1:0", "the other is told at once");
});

t.test("a sink that is away is not hammered, and everything is told when it is back", async (t) => {
  const house = await new House().begun();
  house.react = () => -1;
  const shows = Array.from({ length: 2_000 }, (_, i) => showId(i + 1));
  for (const id of shows) house.load(id);
  await house.rest();
  for (const id of shows) house.commit(id, [[expired(id)]]);
  await house.pass(600_000);
  t.ok(house.tellings.length < 100, `${house.tellings.length} calls in ten minutes`);
  const calls = house.tellings.length;
  house.react = (news) => news.length;
  await house.pass(46_000);
  for (let i = 0; i < 200 && house.tellings.length < calls + 2_000; i += 1) await house.rest();
  t.equal(house.tellings.length, calls + 2_000);
  t.same(new Set(house.tellings.slice(calls).map(({ news }) => news[0]?.id)), new Set(shows.map((id) => `${id}:1:0`)));
});

t.test("many shows that always fail delay the others by a rest, no more", async (t) => {
  const house = await new House().begun();
  house.react = (news) => (Number(String(news[0]?.data.show_id).slice(5)) > 100 ? -1 : news.length);
  const shows = Array.from({ length: 20 }, (_, i) => showId(i + 101));
  for (const id of [SHOW, ...shows]) house.load(id);
  await house.rest();
  for (const id of shows) house.commit(id, [[expired(id)]]);
  await house.pass(600_000);
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.pass(31_000);
  t.ok(house.told().includes("show-1:1:0"));
});

t.test("calls that hang keep their shows waiting, and no others", async (t) => {
  const house = await new House().begun();
  house.react = undefined;
  const shows = Array.from({ length: 40 }, (_, i) => showId(i + 1));
  for (const id of shows) house.load(id);
  await house.rest();
  for (const id of shows) house.commit(id, [[expired(id)]]);
  await house.pass(29_000);
  t.equal(house.tellings.length, 32, "so many at once");
  await house.pass(2_000);
  t.equal(house.tellings.length, 40);
  house.commit(showId(1), [[captured(showId(1))]]);
  await house.pass(600_000);
  t.equal(house.tellings.length, 40, "no second call while there is one");
  await house.tellings[0]?.answer(1);
  t.equal(house.tellings.at(-1)?.news[0]?.id, "show-1:2:0");
});

t.test("a commit that the node did not hear of is found, by the next one, a load, or the sweep", async (t) => {
  const house = await new House().begun();
  for (const n of [1, 2, 3]) {
    house.load(showId(n));
    await house.rest();
    house.commit(showId(n), [[expired(showId(n))]]);
    await house.rest();
    house.commit(showId(n), [[captured(showId(n))]], false);
  }
  house.commit(showId(1), [[expired(showId(1))]]);
  house.load(showId(2));
  await house.rest();
  t.same(
    house.told().filter((id) => id.startsWith("show-1")),
    ["show-1:1:0", "show-1:2:0", "show-1:3:0"],
  );
  t.same(
    house.told().filter((id) => id.startsWith("show-2")),
    ["show-2:1:0", "show-2:2:0"],
  );
  await house.pass(31_000);
  t.same(
    house.told().filter((id) => id.startsWith("show-3")),
    ["show-3:1:0", "show-3:2:0"],
  );
  t.equal(house.told().length, 7, "nothing twice");
});

t.test("a hole among the commits that wait in memory is filled from the log", async (t) => {
  const house = await new House().begun();
  house.react = undefined;
  house.load(SHOW);
  await house.rest();
  for (const isHeard of [true, true, false, true]) {
    house.commit(SHOW, [[expired(SHOW)]], isHeard);
    await house.rest();
  }
  house.react = (news) => news.length;
  await house.tellings[0]?.answer(1);
  t.same(house.told(), ["show-1:1:0", "show-1:2:0", "show-1:3:0", "show-1:4:0"]);
});

t.test("a commit that nobody wants takes no cursor past one that was not heard of", async (t) => {
  const house = await new House((type) => type === "payment.captured").begun();
  house.load(SHOW);
  await house.rest();
  house.commit(SHOW, [[captured(SHOW)]], false);
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  t.same(house.told(), ["show-1:1:0"]);
});

t.test("what another node told meanwhile is not told again", async (t) => {
  const house = await new House().begun();
  house.load(SHOW);
  await house.rest();
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  for (let i = 0; i < 3; i += 1) house.commit(SHOW, [[captured(SHOW)]], false);
  house.store.written.set(SHOW, 3);
  house.load(SHOW);
  await house.rest();
  t.same(house.told(), ["show-1:1:0", "show-1:4:0"]);
});

t.test("a store that is away keeps nothing from being told that is in memory", async (t) => {
  const house = await new House().begun();
  house.load(SHOW);
  await house.rest();
  house.commit(SHOW, [[expired(SHOW)]]);
  await house.rest();
  house.store.isAway = true;
  house.commit(SHOW, [[expired(SHOW)]]);
  house.load(showId(2));
  await house.pass(20_000);
  t.equal(house.told().length, 2);
  house.commit(showId(2), [[expired(showId(2))]]);
  house.store.isAway = false;
  await house.pass(60_000);
  t.equal(house.told().length, 3);
  t.same(Object.fromEntries(house.store.written), { "show-1": 2, "show-2": 1 });
});

t.test("the end: what is ready is told, cursors are written; what answers later starts nothing", async (t) => {
  const house = await new House().begun();
  house.react = (news) => (news[0]?.data.show_id === SHOW ? news.length : 0);
  for (const id of [SHOW, showId(2)]) house.load(id);
  await house.rest();
  for (const id of [SHOW, showId(2)]) house.commit(id, [[expired(id)]]);
  let isOver = false;
  void house.relay.stop().then(() => {
    isOver = true;
  });
  await house.rest();
  t.ok(isOver);
  t.same(Object.fromEntries(house.store.written), { "show-1": 1 });
  t.equal(house.time.armed.length, 0, "no timer is left");

  const hanging = await new House().begun();
  hanging.react = undefined;
  hanging.load(SHOW);
  await hanging.rest();
  hanging.commit(SHOW, [[expired(SHOW)]]);
  await hanging.rest();
  hanging.commit(SHOW, [[captured(SHOW)]]);
  let isEnded = false;
  void hanging.relay.stop().then(() => {
    isEnded = true;
  });
  await hanging.pass(5_000);
  t.ok(isEnded, "within a bound");
  await hanging.tellings[0]?.answer(1);
  await hanging.pass(60_000);
  t.equal(hanging.tellings.length, 1);
});

t.test("calls that a closing sink breaks off after the end leave nothing behind", async (t) => {
  const house = await new House().begun();
  house.react = undefined;
  const shows = Array.from({ length: 20 }, (_, i) => showId(i + 1));
  for (const id of shows) house.load(id);
  await house.rest();
  for (const id of shows) house.commit(id, [[expired(id)]]);
  await house.rest();
  const stopped = house.relay.stop();
  await house.pass(5_000);
  await stopped;
  for (const telling of house.tellings) await telling.fail();
  t.equal(house.tellings.length, 20);
  t.equal(house.time.armed.length, 0, "no timer is left");
});
