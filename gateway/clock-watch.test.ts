import t from "tap";
import { createAlignedClock } from "../shared/platform/clock.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { FakeTime, settled } from "../waitlist/poll/fake-time.ts";
import { ClockWatch } from "./clock-watch.ts";

/** A store whose clock is `aheadMs` ahead of the test's, and answers after `latencyMs`. */
function stage() {
  const time = new FakeTime();
  const store = { aheadMs: 5_000_000, latencyMs: 10, isAway: false, asked: 0 };
  const query = (): Promise<unknown> => {
    store.asked += 1;
    return new Promise((resolve, reject) => {
      time.setTimeout(() => {
        if (store.isAway) reject(new Error("away"));
        else resolve({ rows: [{ now_ms: time.nowMs + store.aheadMs }] });
      }, store.latencyMs);
    });
  };
  const clock = createAlignedClock(time.now);
  const watch = new ClockWatch({ pool: { query } as unknown as Pool, clock, timers: time });
  const ahead = (): number => clock.now() - time.nowMs;
  return { time, store, clock, watch, ahead };
}

t.test("sets the clock at the start, however slow the store is; without it there is no start", async (t) => {
  const { time, store, watch, ahead } = stage();
  store.latencyMs = 3_000;
  const starting = watch.start();
  await time.pass(3_000);
  await starting;
  t.ok(Math.abs(ahead() - store.aheadMs) <= 1_500);
  await watch.stop();
  t.same(time.armed, []);

  const none = stage();
  none.store.isAway = true;
  const failing = none.watch.start();
  failing.catch(() => undefined);
  await none.time.pass(10);
  await t.rejects(failing, /away/);
  t.same(none.time.armed, []);
});

t.test("follows the store's clock; slow answers and none at all change nothing", async (t) => {
  const { time, store, watch, ahead } = stage();
  const starting = watch.start();
  await time.pass(10);
  await starting;
  store.aheadMs += 1_000;
  await time.pass(2_010);
  t.ok(Math.abs(ahead() - store.aheadMs) <= 10, `${ahead()}`);
  const before = ahead();
  store.aheadMs += 10_000;
  store.latencyMs = 501;
  await time.pass(10_000);
  t.equal(ahead(), before, "too slow to be believed");
  store.latencyMs = 10;
  store.isAway = true;
  await time.pass(10_000);
  t.equal(ahead(), before);
  store.isAway = false;
  await time.pass(2_100);
  t.ok(Math.abs(ahead() - store.aheadMs) <= 10, "and it goes on when the store is back");
  await watch.stop();
});

t.test("asks one question at a time, and none after the end", async (t) => {
  const { time, store, watch } = stage();
  const starting = watch.start();
  await time.pass(10);
  await starting;
  store.latencyMs = 30_000;
  await time.pass(20_000);
  t.equal(store.asked, 2);
  let isStopped = false;
  const stopping = watch.stop().then(() => {
    isStopped = true;
  });
  await settled();
  t.notOk(isStopped, "it waits for the answer");
  await time.pass(30_000);
  await stopping;
  await time.pass(10_000);
  t.equal(store.asked, 2);
  t.same(time.armed, []);
});
