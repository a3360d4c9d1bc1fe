// Goal: every boundary of time in a waiter's life, to the millisecond, beside its other side.

import t from "tap";
import { aWaiter } from "./a-waiter.ts";
import { Line } from "./line.ts";
import { ToyHall } from "./toy-hall.ts";
import { ABSENT_AFTER_MS, type Offer, SEEN_FOR_MS, WAITER_TTL_MS, type Waiter } from "./waiter.ts";

const NEVER = Number.POSITIVE_INFINITY;
const CANCELLED = Number.NEGATIVE_INFINITY;
const GRACE_MS = 5_000;

function lineOf(...waiters: readonly Waiter[]): Line {
  const line = new Line();
  for (const waiter of waiters) line.add(waiter, waiter.joinedAt);
  line.calm();
  return line;
}

function offerUntil(expiresAt: number, ttlMs = 120_000): Offer {
  return { seats: [0, 1], total: 0, currency: "EUR", expiresAt, graceMs: GRACE_MS, lineMs: ttlMs + GRACE_MS };
}

function keptSeen(line: Line, waiter: Waiter, until: number): void {
  for (let at = 0; at <= until; at += SEEN_FOR_MS / 2) line.see(waiter, at);
}

t.test("seen within the last 60 s it claims; then it is skipped, its place kept, until it polls", async (t) => {
  const [first, second] = [aWaiter({ place: 1 }), aWaiter({ place: 2, categories: [1], joinedAt: 10 })];
  const line = lineOf(first, second);
  t.equal(line.nextAt(NEVER), SEEN_FOR_MS);
  line.skipUnseen(SEEN_FOR_MS - 1);
  t.equal(line.claimed, 0b101);
  t.equal(line.claimedBefore(second), 0b1);
  t.notOk(line.stirred);

  line.skipUnseen(SEEN_FOR_MS);
  t.equal(line.claimed, 0b100);
  t.equal(line.claimedBefore(second), 0);
  t.ok(line.stirred, "a claim was released");
  t.same([line.positionOf(first), line.positionOf(second)], [1, 2]);

  line.calm();
  line.see(first, SEEN_FOR_MS + 5);
  t.ok(line.stirred, "it may be servable");
  t.equal(line.claimedBefore(second), 0b1);
});

t.test("skipping one behind the head of its lane releases no claim", async (t) => {
  const [first, second] = [aWaiter({ place: 1 }), aWaiter({ place: 2 })];
  const line = lineOf(first, second);
  line.see(first, 30_000);
  line.skipUnseen(SEEN_FOR_MS);
  t.notOk(line.stirred);
  t.equal(line.nextAt(NEVER), 30_000 + SEEN_FOR_MS);
});

t.test("unseen for 5 minutes it is absent, whether it was skipped before or not", async (t) => {
  for (const isSkipped of [true, false]) {
    const waiter = aWaiter();
    const line = lineOf(waiter);
    if (isSkipped) line.skipUnseen(SEEN_FOR_MS);
    line.calm();
    if (isSkipped) t.equal(line.nextAt(NEVER), ABSENT_AFTER_MS);
    t.equal(line.due(ABSENT_AFTER_MS - 1, NEVER), undefined);
    t.same(line.due(ABSENT_AFTER_MS, NEVER), { kind: "absent", waiter, at: ABSENT_AFTER_MS });
  }
});

t.test("a poll of the last millisecond saves it", async (t) => {
  const waiter = aWaiter();
  const line = lineOf(waiter);
  line.skipUnseen(ABSENT_AFTER_MS - 1);
  line.see(waiter, ABSENT_AFTER_MS - 1);
  t.equal(line.due(ABSENT_AFTER_MS, NEVER), undefined);
  t.equal(line.nextAt(NEVER), CANCELLED, "to be served at once");
});

t.test("after 60 minutes it leaves", async (t) => {
  const waiter = aWaiter();
  const line = lineOf(waiter);
  keptSeen(line, waiter, WAITER_TTL_MS);
  t.equal(line.nextAt(NEVER), WAITER_TTL_MS);
  t.equal(line.due(WAITER_TTL_MS - 1, NEVER), undefined);
  t.same(line.due(WAITER_TTL_MS, NEVER), { kind: "expired", waiter, at: WAITER_TTL_MS });
});

t.test("an open offer may finish: nothing but its own deadline ends it, its grace after what was shown", async (t) => {
  const waiter = aWaiter();
  const line = lineOf(waiter);
  const expiresAt = WAITER_TTL_MS + 60_000;
  line.offer(waiter, offerUntil(expiresAt));
  line.calm();
  line.skipUnseen(expiresAt);
  t.equal(line.nextAt(NEVER), expiresAt + GRACE_MS);
  t.equal(line.due(expiresAt + GRACE_MS - 1, NEVER), undefined);
  t.same(line.due(expiresAt + GRACE_MS, NEVER), { kind: "offer", waiter, at: expiresAt + GRACE_MS });
  t.same([line.positionOf(waiter), line.waitingCount, line.activeCount], [0, 0, 1]);

  line.finish(waiter, "lapsed", expiresAt + GRACE_MS);
  t.same([waiter.status, waiter.offer, waiter.endedAt], ["lapsed", undefined, expiresAt + GRACE_MS]);
  t.equal(line.due(NEVER, NEVER), undefined);
  t.equal(line.nextAt(0), NEVER, "nobody is there to close for");
});

t.test("at the cutoff everybody leaves, waiting, skipped or offered; of a cancelled show at once", async (t) => {
  for (const closesAt of [100_000, CANCELLED]) {
    const [skipped, waiting, offered] = [aWaiter({ place: 1 }), aWaiter({ place: 2 }), aWaiter({ place: 3 })];
    const line = lineOf(skipped, waiting, offered);
    line.offer(offered, offerUntil(200_000));
    line.see(waiting, 99_000);
    line.skipUnseen(99_999);
    line.calm();
    t.equal(line.nextAt(closesAt), closesAt);
    if (closesAt > 0) t.equal(line.due(closesAt - 1, closesAt), undefined);
    const gone: Waiter[] = [];
    for (let due = line.due(100_000, closesAt); due !== undefined; due = line.due(100_000, closesAt)) {
      t.equal(due.kind, "closed");
      gone.push(due.waiter);
      line.finish(due.waiter, "closed", 100_000);
    }
    t.same(new Set(gone), new Set([skipped, waiting, offered]));
    t.equal(line.activeCount, 0);
  }
});

t.test("what was due before the cutoff comes before it", async (t) => {
  const [offered, absent] = [aWaiter({ place: 1 }), aWaiter({ place: 2 })];
  const line = lineOf(offered, absent);
  line.offer(offered, offerUntil(250_000));
  const kinds: string[] = [];
  for (let due = line.due(NEVER, 300_001); due !== undefined; due = line.due(NEVER, 300_001)) {
    kinds.push(`${due.kind} ${due.at}`);
    line.finish(due.waiter, due.kind === "offer" ? "lapsed" : due.kind, due.at);
  }
  t.same(kinds, ["offer 255000", "absent 300000"]);
});

t.test("offers of any number of TTLs lapse in the order of time", async (t) => {
  const waiters = Array.from({ length: 40 }, (_, i) => aWaiter({ place: i + 1 }));
  const line = lineOf(...waiters);
  for (const [i, waiter] of waiters.entries()) {
    const ttlMs = 1_000 + ((i * 17) % 40) * 1_000;
    line.offer(waiter, offerUntil(i * 100 + ttlMs, ttlMs));
  }
  const times: number[] = [];
  for (let due = line.due(NEVER, NEVER); due !== undefined; due = line.due(NEVER, NEVER)) {
    times.push(due.at);
    line.finish(due.waiter, "lapsed", due.at);
  }
  t.equal(times.length, 40);
  t.same(
    times,
    times.toSorted((a, b) => a - b),
  );
});

t.test("a poll of one that has an offer, or is finished, or unknown, changes nothing", async (t) => {
  const [offered, finished] = [aWaiter({ place: 1 }), aWaiter({ place: 2 })];
  const line = lineOf(offered, finished);
  line.offer(offered, offerUntil(120_000));
  line.finish(finished, "cancelled", 10);
  line.calm();
  for (const waiter of [offered, finished, aWaiter({ place: 3 })]) {
    line.see(waiter, 50);
    t.equal(line.positionOf(waiter), 0);
    t.equal(line.estimatedWaitMs(waiter, 50), undefined);
  }
  t.notOk(line.stirred);
  t.equal(line.nextAt(NEVER), 125_000);
});

t.test("an outage counts for no deadline and not for being seen", async (t) => {
  const [offered, waiting] = [aWaiter({ place: 1 }), aWaiter({ place: 2 })];
  const line = lineOf(offered, waiting);
  const offer = offerUntil(120_000);
  line.offer(offered, offer);
  line.calm();
  line.moveDeadlines(1_000_000, 1_000_010);
  t.equal(offer.expiresAt, 120_000, "the offer that was is left alone");
  t.same([offered.offer?.expiresAt, waiting.expiresAt], [1_120_000, 1_000_000 + WAITER_TTL_MS]);
  t.equal(line.nextAt(NEVER), 1_000_000 + SEEN_FOR_MS);
  line.skipUnseen(1_000_000 + SEEN_FOR_MS - 1);
  t.equal(line.claimed, 1);
});

t.test("nobody is seen in the future, even who polled during the outage", async (t) => {
  const waiter = aWaiter();
  const line = lineOf(waiter);
  line.see(waiter, 900_000);
  line.moveDeadlines(900_000, 900_010);
  line.calm();
  t.equal(line.nextAt(NEVER), 900_010 + SEEN_FOR_MS);
  line.see(waiter, 900_020);
  t.equal(line.nextAt(NEVER), 900_020 + SEEN_FOR_MS);
});

t.test("lowered while it is skipped it keeps its place and stays skipped; hopeless no longer", async (t) => {
  const [first, second] = [aWaiter({ place: 1, quantity: 3 }), aWaiter({ place: 2 })];
  const line = lineOf(first, second);
  const hall = new ToyHall("aa");
  line.see(second, 50_000);
  line.skipUnseen(SEEN_FOR_MS);
  t.equal(line.nextHopeless(hall), first);
  line.calm();
  line.lower(first, 2);
  t.ok(line.stirred);
  t.equal(line.nextHopeless(hall), undefined);
  t.equal(line.nextOffer("strict", hall)?.waiter, second);
  line.see(first, SEEN_FOR_MS + 1);
  t.equal(line.nextOffer("strict", hall)?.waiter, first, "at its old place, in its new lane");
  t.equal(line.positionOf(second), 2);
});
