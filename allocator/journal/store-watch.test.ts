// Goal: no turn in a time that may turn out to be an outage (W1), and no outage that is not told before the next turn
// (W2), whoever recorded it. Method: time by hand, beats that the test answers.

import t from "tap";
import type { AlignedClock } from "../../shared/platform/clock.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { StoreWatch } from "./store-watch.ts";

interface Beat {
  answer(outageId?: number): Promise<void>;
  fail(): Promise<void>;
}

function watching() {
  const time = new FakeTime();
  const beats: Beat[] = [];
  const aligned: number[] = [];
  const outages: { readonly isOpen: boolean }[] = [];
  let lastOutageId = 0;
  const clock = {
    reading: time.now,
    now: time.now,
    align: (nowMs: number) => aligned.push(nowMs),
  } as unknown as AlignedClock;
  const watch: StoreWatch = new StoreWatch({
    journal: {
      beat: () =>
        new Promise((resolve, reject) => {
          beats.push({
            answer: async (outageId = lastOutageId) => {
              lastOutageId = outageId;
              resolve({ nowMs: time.nowMs, outageId });
              await settled();
            },
            fail: async () => {
              reject(new Error("away"));
              await settled();
            },
          });
        }),
    },
    clock,
    timers: time,
    log: silentLog(),
    onOutage: () => outages.push({ isOpen: watch.isOpen() }),
  });
  const next = (): Beat =>
    beats.shift() ?? { answer: () => Promise.reject(new Error("no beat")), fail: () => Promise.reject() };
  return { time, beats, next, aligned, outages, watch };
}

type Watching = ReturnType<typeof watching>;

async function started(parts: Watching): Promise<Watching> {
  const start = parts.watch.start();
  while (!parts.watch.isOpen()) await parts.next().answer(1);
  await start;
  return parts;
}

t.test("closed before the first beat, open after it, closed 2 s after the last that was answered", async (t) => {
  const parts = watching();
  const { time, watch, next, beats } = parts;
  t.notOk(watch.isOpen());
  await started(parts);
  t.ok(watch.isOpen());
  await time.pass(200);
  t.equal(beats.length, 1);
  await time.pass(1_800);
  t.ok(watch.isOpen());
  await time.pass(1);
  t.notOk(watch.isOpen(), "from when the last answered one was sent");
  await next().answer();
  t.notOk(watch.isOpen(), "after a closed time one answer is not enough");
  while (beats.length > 0) await next().answer();
  t.ok(watch.isOpen());
  await watch.stop();
});

t.test("an outage is told before the store counts as open", async (t) => {
  const parts = await started(watching());
  const { time, watch, next, beats, outages } = parts;
  await time.pass(200);
  await next().fail();
  await time.pass(5_000);
  await next().answer(2);
  while (beats.length > 0) await next().answer(2);
  t.same(outages, [{ isOpen: false }]);
  t.ok(watch.isOpen());
  await watch.stop();
});

t.test("an outage that another node recorded, or a beat of ours whose answer was lost, is told too", async (t) => {
  const parts = await started(watching());
  const { time, watch, next, beats, outages } = parts;
  await time.pass(200);
  await next().fail();
  await time.pass(4_000);
  // The first beat waited for the one that recorded the outage, and looked at the outages before it waited.
  await next().answer(1);
  t.notOk(watch.isOpen(), "what it saw may be from before it waited: asked once more");
  while (beats.length > 0) await next().answer(2);
  t.same(outages, [{ isOpen: false }]);
  t.ok(watch.isOpen());
  await watch.stop();
});

t.test("what was recorded before the start concerns nobody", async (t) => {
  const { watch, outages } = await started(watching());
  t.same(outages, []);
  await watch.stop();
});

t.test("an answer that took long does not set the clock", async (t) => {
  const { time, watch, next, aligned } = await started(watching());
  const before = aligned.length;
  await time.pass(200);
  await time.pass(1_400);
  await next().answer();
  t.equal(aligned.length, before);
  await time.pass(200);
  await next().answer();
  t.equal(aligned.length, before + 1);
  await watch.stop();
});

t.test("a first beat that fails is the caller's", async (t) => {
  const { watch, next, time } = watching();
  const start = t.rejects(watch.start(), { message: "away" });
  await next().fail();
  await start;
  t.equal(time.armed.length, 0, "nothing goes on by itself");
});

t.test("stop ends it, and waits for the beat under way", async (t) => {
  const { time, watch, next, beats } = await started(watching());
  await time.pass(200);
  let isStopped = false;
  const stop = watch.stop().then(() => {
    isStopped = true;
  });
  await settled();
  t.notOk(isStopped);
  await next().answer();
  await stop;
  await time.pass(10_000);
  t.equal(beats.length, 0);
});
