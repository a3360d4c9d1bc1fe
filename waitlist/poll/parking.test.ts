// Goal: no wake-up is lost, no place leaks, no rest ends early. Method: timers and clock are in the test's hand.

import t from "tap";
import { FakeTime, settled } from "./fake-time.ts";
import { longPoll } from "./long-poll.ts";
import { PollLot, WAIT_MAX_MS } from "./parking.ts";

function lotOf(options: { placesMax?: number; placesPerIdMax?: number } = {}) {
  const time = new FakeTime();
  return { time, lot: new PollLot({ timers: time, clock: time, ...options }) };
}

async function endOf(promise: Promise<unknown>): Promise<unknown> {
  let end: unknown = "still resting";
  void promise.then((value) => {
    end = value;
  });
  await settled();
  return end;
}

t.test("a rest ends with what woke it, and never before its time", async (t) => {
  const { time, lot } = lotOf();
  const place = lot.enter("s", "a");
  const rest = place?.rest(1_000) ?? Promise.reject(new Error("no place"));
  await time.pass(999);
  t.equal(await endOf(rest), "still resting");
  await time.pass(51);
  t.equal(await endOf(rest), "timeout", "one slot late at most");
  const again = place?.rest(1_000) ?? Promise.reject(new Error("no place"));
  lot.wake("s", ["b"]);
  t.equal(await endOf(again), "still resting");
  lot.wake("s", ["a"]);
  t.equal(await endOf(again), "changed");
  place?.leave();
  place?.leave();
  t.equal(lot.size, 0);
  await time.pass(1_000);
  t.same(time.armed, [], "nothing ticks when nobody rests");
});

t.test("a wake-up between entering and resting is not lost", async (t) => {
  const { lot } = lotOf();
  const place = lot.enter("s", "a");
  lot.wake("s", ["a"]);
  t.equal(await endOf(place?.rest(1_000) ?? Promise.resolve()), "changed");
  t.equal(await endOf(place?.rest(1_000) ?? Promise.resolve()), "still resting", "and it counts once");
});

t.test("every wait from 0 to 30 s, from any moment, ends neither early nor more than a slot late", async (t) => {
  const { time, lot } = lotOf();
  let worstMs = 0;
  for (let waitMs = 1; waitMs <= WAIT_MAX_MS; waitMs = Math.ceil(waitMs * 1.7)) {
    for (const offsetMs of [0, 1, 49, 50, 77]) {
      await time.pass(offsetMs);
      const place = lot.enter("s", "a");
      const began = time.nowMs;
      let ended = Number.NaN;
      void place?.rest(waitMs).then(() => {
        ended = time.nowMs;
      });
      await time.pass(waitMs + 200);
      t.ok(ended - began >= waitMs, `${waitMs}: ${ended - began}`);
      worstMs = Math.max(worstMs, ended - began - waitMs);
      place?.leave();
    }
  }
  // A slot, and the slot by which the timer itself is out of step with the hand.
  t.ok(worstMs <= 100, `${worstMs}`);
});

t.test("a clock that jumps makes nobody wait for ever", async (t) => {
  for (const jumpMs of [-3_600_000, 3_600_000, -25, 25_000]) {
    const { time, lot } = lotOf();
    const rests = [10, 500, 5_000, 30_000].map((waitMs) => lot.enter("s", `a${waitMs}`)?.rest(waitMs));
    await time.pass(100);
    time.nowMs += jumpMs;
    for (const timer of time.armed) timer.at += jumpMs;
    const late = lot.enter("s", "late")?.rest(30_000);
    await time.pass(31_000);
    for (const rest of [...rests, late]) t.equal(await endOf(rest ?? Promise.resolve()), "timeout", `${jumpMs}`);
  }
});

t.test("a rest that begins while the process was stuck is not cut short", async (t) => {
  const { time, lot } = lotOf();
  void lot.enter("s", "a")?.rest(1_000);
  time.nowMs += 20_000;
  const rest = lot.enter("s", "b")?.rest(30_000) ?? Promise.resolve();
  await time.pass(29_999);
  t.equal(await endOf(rest), "still resting");
  await time.pass(101);
  t.equal(await endOf(rest), "timeout");
});

t.test("the lot is bounded, in all and by id, and a place left is free again", async (t) => {
  const { lot } = lotOf({ placesMax: 3, placesPerIdMax: 2 });
  const [one, two] = [lot.enter("s", "a"), lot.enter("s", "a")];
  t.ok(one && two);
  t.equal(lot.enter("s", "a"), undefined, "two of an id");
  t.ok(lot.enter("s", "b"));
  t.equal(lot.enter("s", "c"), undefined, "three in all");
  one?.leave();
  t.ok(lot.enter("s", "c"));
  t.equal(lot.size, 3);
  const rest = two?.rest(1_000) ?? Promise.resolve();
  lot.wake("s", ["a"]);
  t.equal(await endOf(rest), "changed", "the one that stayed still hears");
});

t.test("leaving ends a rest at once, and closing ends all", async (t) => {
  const { time, lot } = lotOf();
  const place = lot.enter("s", "a");
  const rest = place?.rest(1_000) ?? Promise.resolve();
  place?.leave();
  t.equal(await endOf(rest), "gone");
  const others = [lot.enter("s", "a"), lot.enter("s", "a"), lot.enter("s", "b")];
  const rests = others.slice(1).map((other) => other?.rest(1_000));
  lot.close();
  for (const end of rests) t.equal(await endOf(end ?? Promise.resolve()), "closing");
  t.equal(await endOf(others[0]?.rest(1_000) ?? Promise.resolve()), "closing", "who rests afterwards does not");
  t.equal(lot.enter("s", "c"), undefined);
  t.same(time.armed, []);
  for (const other of others) other?.leave();
  t.equal(lot.size, 0);
});

t.test("10,000 places on one timer", async (t) => {
  const { time, lot } = lotOf();
  const rests = Array.from({ length: 10_000 }, (_, i) => lot.enter("s", `a${i}`)?.rest(1_000 + i));
  t.equal(time.armed.length, 1);
  lot.wake("s", ["a9999"]);
  t.equal(await endOf(rests[9_999] ?? Promise.resolve()), "changed");
  await time.pass(11_100);
  const ends = await Promise.all(rests);
  t.equal(ends.filter((end) => end === "timeout").length, 9_999);
});

t.test("a group is woken as a whole: all of it, some at a time, and nobody else", async (t) => {
  const { time, lot } = lotOf();
  const rests = Array.from({ length: 1_200 }, (_, i) => lot.enter("s", `a${i}`)?.rest(1_000));
  const twice = [1, 2].map(() => lot.enter("s", "a7")?.rest(1_000));
  const other = lot.enter("other", "a0")?.rest(1_000) ?? Promise.resolve();
  const busy = lot.enter("s", "busy");
  let wokenCount = 0;
  for (const rest of [...rests, ...twice])
    void rest?.then(() => {
      wokenCount += 1;
    });
  lot.wakeGroup("s");
  lot.wakeGroup("nobody");
  await settled();
  t.ok(wokenCount > 0 && wokenCount < 600, `${wokenCount} at once`);
  lot.wake("s", ["a1199"]);
  await time.pass(0);
  t.equal(wokenCount, 1_202);
  t.equal(await endOf(busy?.rest(1_000) ?? Promise.resolve()), "changed", "who did not rest then hears of it");
  t.equal(await endOf(other), "still resting");
  lot.wakeGroup("s");
  lot.wakeGroup("s");
  lot.close();
  t.same(time.armed, []);
});

t.test("a group that empties while it is woken leaves nothing behind", async (t) => {
  const { time, lot } = lotOf();
  const places = Array.from({ length: 1_200 }, (_, i) => lot.enter("s", `a${i}`));
  lot.wakeGroup("s");
  for (const place of places) place?.leave();
  await time.pass(0);
  t.same([lot.size, time.armed], [0, []]);
  const rest = lot.enter("s", "a")?.rest(1_000) ?? Promise.resolve();
  t.equal(await endOf(rest), "still resting");
  lot.wakeGroup("s");
  t.equal(await endOf(rest), "changed");
});

t.test("a long poll answers news at once, else when it comes, else the present after its wait", async (t) => {
  const { time, lot } = lotOf();
  let version = 1;
  const poll = (after: number, waitMs = 1_000) =>
    longPoll(lot, time, {
      group: "s",
      id: "a",
      waitMs,
      read: async () => version,
      isNews: (value) => value !== after,
      onGone: () => undefined,
      offGone: () => undefined,
    });
  t.equal(await endOf(poll(0)), 1, "news");
  t.equal(await endOf(poll(1, 0)), 1, "no wait");
  const waiting = poll(1);
  lot.wake("s", ["a"]);
  t.equal(await endOf(waiting), "still resting", "a wake-up without news");
  version = 2;
  lot.wake("s", ["a"]);
  t.equal(await endOf(waiting), 2);
  const lost = poll(2);
  await settled();
  version = 3;
  await time.pass(1_050);
  t.equal(await endOf(lost), 3, "after the wait it is read again, though no message came");
  t.equal(lot.size, 0);
});

t.test("an update between reading and parking is not lost", async (t) => {
  const { time, lot } = lotOf();
  let version = 1;
  let reads = 0;
  const answer = longPoll(lot, time, {
    group: "s",
    id: "a",
    waitMs: 1_000,
    read: async () => {
      reads += 1;
      const seen = version;
      if (reads === 1) {
        // The change commits after the reading was taken and before it arrives.
        version = 2;
        lot.wake("s", ["a"]);
      }
      return seen;
    },
    isNews: (value) => value !== 1,
    onGone: () => undefined,
    offGone: () => undefined,
  });
  t.equal(await endOf(answer), 2);
  t.equal(reads, 2);
});

t.test("a client that goes away frees its place at once; a full lot says so", async (t) => {
  const { time, lot } = lotOf({ placesMax: 1 });
  let goAway: () => void = () => undefined;
  const poll = () =>
    longPoll(lot, time, {
      group: "s",
      id: "a",
      waitMs: 1_000,
      read: async () => 1,
      isNews: () => false,
      onGone: (leave) => {
        goAway = leave;
      },
      offGone: () => undefined,
    });
  const first = poll();
  await settled();
  t.equal(await poll(), undefined, "full");
  goAway();
  t.equal(lot.size, 0);
  t.equal(await endOf(first), 1);
});
