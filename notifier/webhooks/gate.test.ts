import t from "tap";
import { ManualTimers } from "../../test/harness/manual-timers.ts";
import {
  Gate,
  GONE_PAUSE_MS,
  PAUSE_MAX_MS,
  PAUSE_MIN_MS,
  REQUESTS_MAX,
  RETRY_AFTER_MAX_MS,
  SHOWS_IN_TROUBLE,
  WAIT_MAX_MS,
  WAITING_MAX,
} from "./gate.ts";
import type { Outcome } from "./outcome.ts";

const SAFE: Outcome = { kind: "safe" };
const REFUSED: Outcome = { kind: "refused", reason: "status 500" };
const AWAY: Outcome = { kind: "away", reason: "ECONNREFUSED" };
const busy = (retryAfterMs?: number): Outcome => ({ kind: "busy", reason: "status 503", retryAfterMs });

function stage() {
  const timers = new ManualTimers();
  const gate = new Gate({ timers, random: () => 1 - Number.EPSILON });
  const asked: Promise<boolean>[] = [];
  return {
    timers,
    gate,
    /** How many of those that asked have heard true, or false, so far. */
    async heard(): Promise<{ in: number; out: number }> {
      const open = Symbol("open");
      const seen = await Promise.all(asked.map((answer) => Promise.race([answer, Promise.resolve(open)])));
      return { in: seen.filter((one) => one === true).length, out: seen.filter((one) => one === false).length };
    },
    ask(count = 1): void {
      for (let i = 0; i < count; i++) asked.push(gate.enter());
    },
  };
}

t.test("so many at once; the others wait, first come first served", async (t) => {
  const { gate, ask, heard } = stage();
  ask(REQUESTS_MAX + 2);
  t.same(await heard(), { in: REQUESTS_MAX, out: 0 });
  gate.leave("a", SAFE);
  t.same(await heard(), { in: REQUESTS_MAX + 1, out: 0 });
});

t.test("who waits too long hears no, and too many at once do", async (t) => {
  const { timers, ask, heard } = stage();
  ask(REQUESTS_MAX + WAITING_MAX + 1);
  t.same(await heard(), { in: REQUESTS_MAX, out: 1 });
  timers.advance(WAIT_MAX_MS - 1);
  t.same(await heard(), { in: REQUESTS_MAX, out: 1 });
  timers.advance(1);
  t.same(await heard(), { in: REQUESTS_MAX, out: WAITING_MAX + 1 });
});

t.test("away: growing pauses, one to see after each, all again when one is safe", async (t) => {
  const { timers, gate, ask, heard } = stage();
  ask();
  for (const lengthMs of [500, 1_000, 2_000, 4_000, 8_000, 16_000, PAUSE_MAX_MS, PAUSE_MAX_MS]) {
    t.equal(gate.leave("a", AWAY), lengthMs);
    t.equal(gate.isPaused, true);
    const before = (await heard()).in;
    // They ask as the pause ends, so that none of them waits for too long.
    timers.advance(lengthMs - 1);
    ask(2);
    t.equal((await heard()).in, before);
    timers.advance(1);
    t.equal((await heard()).in, before + 1, "one to see");
  }
  const before = await heard();
  ask(REQUESTS_MAX);
  t.equal((await heard()).in, before.in, "the others wait for what it sees");
  gate.leave("a", SAFE);
  t.equal((await heard()).in, before.in + REQUESTS_MAX);
  t.equal(gate.isPaused, false);
  t.equal(gate.leave("a", AWAY), PAUSE_MIN_MS, "from the start again");
});

t.test("a pause is 50 to 100 % of its length, by chance", async (t) => {
  const gate = new Gate({ timers: new ManualTimers(), random: () => 0 });
  await gate.enter();
  t.equal(gate.leave("a", AWAY), PAUSE_MIN_MS / 2);
});

t.test("what was under way when a pause began makes it no longer, unless it was asked to", async (t) => {
  const { timers, gate, ask } = stage();
  ask(REQUESTS_MAX);
  t.equal(gate.leave("a", AWAY), PAUSE_MIN_MS);
  t.equal(gate.leave("b", AWAY), undefined);
  t.equal(gate.leave("c", busy()), undefined);
  t.equal(gate.leave("d", busy(20_000)), 20_000);
  t.equal(gate.leave("e", busy(10_000)), undefined);
  timers.advance(19_999);
  t.equal(gate.isPaused, true);
  timers.advance(1);
  t.equal(gate.isPaused, false);
});

t.test("Retry-After is honoured, within bounds; gone is for long", async (t) => {
  for (const [outcome, lengthMs] of [
    [busy(0), PAUSE_MIN_MS],
    [busy(45_000), 45_000],
    [busy(7 * 24 * 3_600_000), RETRY_AFTER_MAX_MS],
    [busy(), PAUSE_MIN_MS],
    [{ kind: "gone", reason: "status 410" }, GONE_PAUSE_MS],
  ] as const) {
    const { gate, ask } = stage();
    ask();
    t.equal(gate.leave("a", outcome), lengthMs);
  }
});

t.test(
  "refusals of one show are its own; of several, with nothing safe in between, they are the endpoint's",
  async (t) => {
    const { gate, ask } = stage();
    ask(1);
    for (let i = 0; i < 20; i++) {
      t.equal(gate.leave("a", REFUSED), undefined);
      ask(1);
    }
    for (let i = 1; i < SHOWS_IN_TROUBLE - 1; i++) {
      t.equal(gate.leave(`b${i}`, REFUSED), undefined);
      ask(1);
    }
    gate.leave("c", SAFE);
    ask(1);
    for (let i = 1; i < SHOWS_IN_TROUBLE; i++) {
      t.equal(gate.leave(`d${i}`, REFUSED), undefined);
      ask(1);
    }
    t.equal(gate.leave("e", REFUSED), PAUSE_MIN_MS);
  },
);

t.test("closed: nobody gets in, who waits hears so, no timer is left", async (t) => {
  const { timers, gate, ask, heard } = stage();
  ask(REQUESTS_MAX + 3);
  gate.leave("a", AWAY);
  gate.close();
  t.same(await heard(), { in: REQUESTS_MAX, out: 3 });
  t.equal(gate.leave("b", AWAY), undefined);
  ask();
  t.same(await heard(), { in: REQUESTS_MAX, out: 4 });
  t.equal(timers.pending, 0);
});
