import t from "tap";
import { createAlignedClock } from "./clock.ts";

function clockAt(start: number) {
  const time = { reading: start };
  return { time, clock: createAlignedClock(() => time.reading) };
}

t.test("cannot be read before it is aligned", async (t) => {
  t.throws(() => clockAt(0).clock.now());
});

t.test("the first alignment sets the time, half a round trip after the server's", async (t) => {
  const { time, clock } = clockAt(1_000);
  clock.align(5_000_000, 990, 1_000);
  t.equal(clock.now(), 5_000_005);
  time.reading += 250.9;
  t.equal(clock.now(), 5_000_255, "whole milliseconds");
});

t.test("what lies within the error of the question changes nothing", async (t) => {
  const { time, clock } = clockAt(0);
  clock.align(1_000_000, 0, 0);
  time.reading = 100;
  clock.align(1_000_060, 0, 100);
  t.equal(clock.now(), 1_000_100, "the answer may have been read at 60: 110 and 60 are equally possible");
});

t.test("behind: catches up at once", async (t) => {
  const { time, clock } = clockAt(0);
  clock.align(1_000_000, 0, 0);
  time.reading = 10;
  clock.align(1_009_000, 10, 10);
  t.equal(clock.now(), 1_009_000);
});

t.test("ahead: never goes back, runs at half speed until right", async (t) => {
  const { time, clock } = clockAt(0);
  clock.align(1_000_000, 0, 0);
  time.reading = 1_000;
  clock.align(1_000_900, 1_000, 1_000);
  t.equal(clock.now(), 1_001_000);
  time.reading = 1_100;
  t.equal(clock.now(), 1_001_050, "half of the 100 ms passed");
  time.reading = 1_200;
  t.equal(clock.now(), 1_001_100, "the 100 ms are given back");
  time.reading = 1_300;
  t.equal(clock.now(), 1_001_200, "and it runs as before");
  t.equal(clock.skewMs().aheadMs, 0);
});

t.test("monotonic under any sequence of alignments", async (t) => {
  const { time, clock } = clockAt(0);
  clock.align(1_000_000, 0, 0);
  let seed = 7;
  let last = 0;
  let decreased = 0;
  for (let step = 0; step < 20_000; step++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const sentAt = time.reading;
    time.reading += (seed % 1_000) / 100;
    if (seed % 3 === 0) clock.align(1_000_000 + time.reading + ((seed >> 3) % 2_000) - 1_000, sentAt, time.reading);
    const now = clock.now();
    if (now < last) decreased++;
    last = now;
  }
  t.equal(decreased, 0);
});
