// Goal: what happens in lines is counted once it is committed, and only then. Method: a node over a journal in memory,
// counted as the real one is; what Prometheus would read.

import { Registry as MetricsRegistry } from "prom-client";
import t from "tap";
import { bySeats, holdIdOf, InLine, joinLine, placeHold, release } from "../test/harness/allocator.ts";
import { FakeJournal, TERMS } from "../test/harness/fake-journal.ts";
import { House, OTHER, SHOW } from "../test/harness/registry-house.ts";
import { observe } from "./metrics.ts";

/** A full show with two holds of five, and three in line for five each. */
async function crowded() {
  const metrics = new MetricsRegistry();
  const meters = observe(metrics);
  const journal = new FakeJournal();
  journal.commit = meters.countingCommits({ commit: journal.commit.bind(journal) }).commit;
  const house = new House({ journal });
  meters.onLines(() => house.registry.inLines());
  const holds = [placeHold(bySeats(0, 1, 2, 3, 4)), placeHold(bySeats(5, 6, 7, 8, 9))];
  for (const hold of holds) await house.ask("hold", hold);
  const line: InLine[] = [];
  for (let i = 0; i < 3; i += 1) {
    const join = joinLine(5);
    const heard = await house.ask("join", join);
    if (heard !== "join: waiting") throw new Error(heard);
    line.push(new InLine(SHOW, join));
  }
  const giveUp = (i: 0 | 1) => {
    const hold = holds[i] as (typeof holds)[0];
    return release(holdIdOf(SHOW, hold), hold.session);
  };
  /** Those that are not 0. */
  const counted = async (): Promise<Record<string, number>> => {
    const text = await metrics.metrics();
    const lines = [...text.matchAll(/^usher_(offers|waiters)_(\w+)(?:\{\w+="(\w+)"\})? (\d+)$/gm)];
    return Object.fromEntries(
      lines
        .filter(([, , , , value]) => value !== "0")
        .map(([, what, kind, label, value]) => [`${what} ${label ?? kind}`, Number(value)]),
    );
  };
  return { house, journal, line: line as [InLine, InLine, InLine], giveUp, counted, metrics };
}

t.test("offers by outcome, places by their end, and who is in line now", async (t) => {
  const { house, line, giveUp, counted } = await crowded();
  t.same(await counted(), { "waiters waiting": 3 });
  await house.ask("release", giveUp(0));
  t.same(await counted(), { "waiters waiting": 2, "offers made": 1, "offers open": 1 });
  await house.ask("accept", line[0].accept());
  t.same(await counted(), { "waiters waiting": 2, "offers made": 1, "offers accepted": 1, "waiters accepted": 1 });
  await house.ask("release", giveUp(1));
  await house.ask("decline", line[1].decline());
  await house.pass(TERMS.offerTtlMs + TERMS.graceMs);
  const late = joinLine(5);
  await house.ask("fill", placeHold(bySeats(5, 6, 7, 8, 9)));
  t.equal(await house.ask("join", late), "join: waiting");
  await house.ask("leave", new InLine(SHOW, late).leave());
  t.same(await counted(), {
    "offers made": 3,
    "offers accepted": 1,
    "offers declined": 1,
    "offers lapsed": 1,
    "waiters accepted": 1,
    "waiters declined": 1,
    "waiters lapsed": 1,
    "waiters cancelled": 1,
  });
});

t.test("what was not committed is not counted", async (t) => {
  const { house, journal, giveUp, counted } = await crowded();
  journal.failing.add("commit");
  house.take("release", giveUp(0));
  await house.rest();
  t.equal((await counted())["offers made"], undefined);
  journal.failing.delete("commit");
  await house.pass(1_000);
  t.equal(await house.ask("release", giveUp(0)), "release: released");
  t.same(await counted(), { "waiters waiting": 2, "offers made": 1, "offers open": 1 });
});

t.test("every series is there from the start, whatever show it is of", async (t) => {
  const { house, counted, metrics } = await crowded();
  await house.ask("hold", placeHold(bySeats(0)), OTHER);
  t.same(await counted(), { "waiters waiting": 3 });
  const text = await metrics.metrics();
  for (const outcome of ["made", "accepted", "declined", "lapsed"])
    t.match(text, `usher_offers_total{outcome="${outcome}"} 0`);
  for (const end of ["accepted", "declined", "lapsed", "cancelled", "expired", "hopeless", "absent", "closed"])
    t.match(text, `usher_waiters_ended_total{end="${end}"} 0`);
});
