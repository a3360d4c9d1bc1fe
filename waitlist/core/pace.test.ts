// Goal: an estimate that a guest would call fair: at an even pace, right; after a change, soon right again; after an
// hour of silence, none.

import t from "tap";
import { Pace } from "./pace.ts";

const MINUTE_MS = 60_000;

function near(actual: number | undefined, expected: number): boolean {
  return actual !== undefined && Math.abs(actual - expected) < expected * 0.15;
}

t.test("a show that has freed nothing has no pace", async (t) => {
  t.equal(new Pace().timeFor(4, 1_000), undefined);
});

t.test("at an even pace the wait is seats by rate, from the first minutes on", async (t) => {
  const pace = new Pace();
  for (let minute = 0; minute <= 60; minute += 1) {
    pace.note(2, 5_000_000 + minute * MINUTE_MS);
    if (minute < 5) continue;
    const wait = pace.timeFor(10, 5_000_000 + minute * MINUTE_MS);
    t.ok(near(wait, minute < 10 ? 4.3 * MINUTE_MS : 4.8 * MINUTE_MS), `${wait} ms after ${minute} minutes`);
  }
});

t.test("it forgets how it was half an hour ago", async (t) => {
  const pace = new Pace();
  for (let minute = 0; minute < 60; minute += 1) pace.note(20, minute * MINUTE_MS);
  for (let minute = 60; minute < 100; minute += 1) pace.note(1, minute * MINUTE_MS);
  t.ok((pace.timeFor(10, 99 * MINUTE_MS) as number) > 4 * MINUTE_MS);
});

t.test("the first seats are taken for a minute's", async (t) => {
  const pace = new Pace();
  pace.note(3, 1_000);
  const wait = pace.timeFor(3, 1_000);
  t.ok(near(wait, MINUTE_MS), `${wait} ms`);
});

t.test("after an hour of silence there is no pace, and a new one begins", async (t) => {
  const pace = new Pace();
  pace.note(3, 0);
  t.ok((pace.timeFor(1, 60 * MINUTE_MS) as number) > 60 * MINUTE_MS);
  t.equal(pace.timeFor(1, 60 * MINUTE_MS + 1), undefined);
  pace.note(3, 61 * MINUTE_MS);
  t.ok(near(pace.timeFor(3, 61 * MINUTE_MS), MINUTE_MS));
});
