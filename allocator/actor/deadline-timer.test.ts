// Goal: no show's wake-up is ever lost, and none comes early. Method: time by hand; random plans against the rule
// "each show is woken at or after its earliest planned moment, and before anything later happens".

import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { DeadlineTimer } from "./deadline-timer.ts";

function timer() {
  const time = new FakeTime();
  const woken: { showId: string; at: number }[] = [];
  const deadlines: DeadlineTimer = new DeadlineTimer({
    timers: time,
    now: time.now,
    wake: (showId) => woken.push({ showId, at: time.nowMs }),
  });
  return { time, woken, deadlines };
}

const show = (name: string | number): ShowId => `show-${name}` as ShowId;

t.test("wakes at the moment, not before and once", async (t) => {
  const { time, woken, deadlines } = timer();
  const at = time.nowMs + 5_500;
  deadlines.plan(show(1), at);
  await time.pass(5_499);
  t.same(woken, []);
  await time.pass(1);
  t.same(woken, [{ showId: "show-1", at }]);
  await time.pass(60_000);
  t.equal(woken.length, 1);
  t.equal(time.armed.length, 0, "no timer is left when nothing is planned");
});

t.test("an earlier plan replaces a later one, a later one does not", async (t) => {
  const { time, woken, deadlines } = timer();
  const start = time.nowMs;
  deadlines.plan(show(1), start + 900);
  deadlines.plan(show(1), start + 300);
  deadlines.plan(show(1), start + 600);
  await time.pass(2_000);
  t.same(woken, [{ showId: "show-1", at: start + 300 }]);
});

t.test("planned from within its own wake-up", async (t) => {
  const time = new FakeTime();
  const woken: number[] = [];
  const deadlines: DeadlineTimer = new DeadlineTimer({
    timers: time,
    now: time.now,
    wake: (showId) => {
      woken.push(time.nowMs);
      if (woken.length < 3) deadlines.plan(showId, time.nowMs + 100);
    },
  });
  const start = time.nowMs;
  deadlines.plan(show(1), start);
  await time.pass(1_000);
  t.same(woken, [start, start + 100, start + 200]);
});

t.test("a clock that jumps ahead is noticed within a second", async (t) => {
  const time = new FakeTime();
  let jumpMs = 0;
  const woken: string[] = [];
  const deadlines = new DeadlineTimer({ timers: time, now: () => time.nowMs + jumpMs, wake: (id) => woken.push(id) });
  deadlines.plan(show(1), time.nowMs + 3_600_000);
  jumpMs = 3_600_000;
  await time.pass(1_000);
  t.same(woken, ["show-1"]);
});

t.test("ten thousand due at once are all woken, in slices", async (t) => {
  const { time, woken, deadlines } = timer();
  for (let i = 0; i < 10_000; i += 1) deadlines.plan(show(i), time.nowMs + 10);
  await time.pass(10);
  t.equal(new Set(woken.map((wake) => wake.showId)).size, 10_000);
  t.equal(woken.length, 10_000);
});

t.test("nothing is woken after stop", async (t) => {
  const { time, woken, deadlines } = timer();
  deadlines.plan(show(1), time.nowMs + 10);
  deadlines.stop();
  deadlines.plan(show(2), time.nowMs + 5);
  await time.pass(10_000);
  t.same(woken, []);
  t.equal(time.armed.length, 0);
});

t.test("random plans: each show is woken at its earliest planned moment", async (t) => {
  let seed = 20_240_607;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed % below;
  };
  const { time, woken, deadlines } = timer();
  const expected = new Map<string, number>();
  for (let step = 0; step < 20_000; step += 1) {
    const showId = show(random(50));
    const at = time.nowMs + random(3_000);
    deadlines.plan(showId, at);
    expected.set(showId, Math.min(at, expected.get(showId) ?? at));
    if (random(4) > 0) continue;
    const before = woken.length;
    await time.pass(random(200));
    for (const wake of woken.slice(before)) {
      if (expected.get(wake.showId) !== wake.at)
        t.fail(`${wake.showId} woken at ${wake.at}, planned for ${expected.get(wake.showId)}`);
      expected.delete(wake.showId);
    }
    for (const [late, moment] of expected) if (moment < time.nowMs) t.fail(`${late} was to be woken at ${moment}`);
  }
  t.ok(woken.length > 1_000, `${woken.length} wake-ups`);
});

t.test(
  "a show that has something to do now is woken at once, time after time, and keeps no other waiting",
  async (t) => {
    const time = new FakeTime();
    const woken: string[] = [];
    let left = 5;
    const deadlines: DeadlineTimer = new DeadlineTimer({
      timers: time,
      now: time.now,
      wake: (showId) => {
        woken.push(showId);
        if (showId === show("busy") && --left > 0) deadlines.plan(showId, Number.NEGATIVE_INFINITY);
      },
    });
    deadlines.plan(show("busy"), Number.NEGATIVE_INFINITY);
    for (let i = 0; i < 300; i += 1) deadlines.plan(show(i), time.nowMs);
    await time.pass(0);
    t.equal(woken.filter((showId) => showId === "show-busy").length, 5);
    t.equal(woken.slice(0, 200).filter((showId) => showId === "show-busy").length, 1, "once a firing");
    t.equal(new Set(woken).size, 301);
    t.equal(time.armed.length, 0);
  },
);

t.test("what is to be done now comes before a deadline that was planned", async (t) => {
  const { time, woken, deadlines } = timer();
  deadlines.plan(show(1), time.nowMs + 5_000);
  deadlines.plan(show(1), Number.NEGATIVE_INFINITY);
  await time.pass(0);
  t.same(woken, [{ showId: "show-1", at: time.nowMs }]);
  await time.pass(10_000);
  t.equal(woken.length, 1);
});
