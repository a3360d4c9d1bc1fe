// Goal: the line says, at every step of any life, what the specification's sentences say.
// Method: random lives of a small hall and its line. After each step every question is put both to the line and to a
// naive model of it, an array walked from its head (naive-line.ts). Steps draw numbers, which are taken
// modulo what there is, so that nearly all of them do something and a counterexample shrinks.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";
import { holds } from "../../test/core/property.ts";
import { Line } from "./line.ts";
import { NaiveLine } from "./naive-line.ts";
import { ToyHall } from "./toy-hall.ts";
import { ABSENT_AFTER_MS, type Offer, SEEN_FOR_MS, WAITER_TTL_MS, type Waiter } from "./waiter.ts";

const GRACE_MS = 5_000;
const SESSIONS = 12;

type Policy = "strict" | "first_fit";
type Step = readonly [kind: keyof typeof STEPS, ...numbers: number[]];

class Life {
  readonly policy: Policy;
  readonly hall: ToyHall;
  readonly naive = new NaiveLine();
  line = new Line();
  now = 1_000_000;
  seq = 0;
  closesAt = Number.POSITIVE_INFINITY;
  /** Everybody who could be served was, and nothing has happened to the seats since. */
  isQuiet = false;

  constructor(policy: Policy, drawing: string) {
    this.policy = policy;
    this.hall = new ToyHall(drawing);
  }

  waiter(index: number): Waiter | undefined {
    const all = this.naive.everybody;
    const naive = all[index % Math.max(all.length, 1)];
    return naive && this.original(naive.waiter.id);
  }

  waitingOne(index: number): Waiter | undefined {
    const { waiting } = this.naive;
    const naive = waiting[index % Math.max(waiting.length, 1)];
    return naive && this.original(naive.waiter.id);
  }

  original(id: WaiterId): Waiter {
    const waiter = this.line.get(id);
    assert.ok(waiter, `${id} is a record`);
    return waiter;
  }

  seatsMove(): void {
    this.line.stir();
    this.isQuiet = false;
  }

  free(seats: readonly number[]): void {
    this.hall.set(seats, "free");
    this.line.noteFreed(seats.length, this.now);
    this.naive.noteFreed(seats.length, this.now);
    this.seatsMove();
  }

  finish(waiter: Waiter, status: WaiterStatus): void {
    const { offer } = waiter;
    this.line.finish(waiter, status, this.now);
    Object.assign(this.naive.find(waiter.id).waiter, { status, offer: undefined, endedAt: this.now });
    if (offer !== undefined && status === "accepted") this.hall.set(offer.seats, "held");
    else if (offer !== undefined) this.free(offer.seats);
  }

  offer(waiter: Waiter, seats: readonly number[], ttlMs: number): void {
    const times = { expiresAt: this.now + ttlMs, graceMs: GRACE_MS, lineMs: ttlMs + GRACE_MS };
    const offer: Offer = { seats, total: 0, currency: "EUR", ...times };
    this.line.offer(waiter, offer);
    Object.assign(this.naive.find(waiter.id).waiter, { status: "offered", offer });
    this.hall.set(seats, "held");
  }

  /** A turn serves: the hopeless are told, then whoever can be served is. */
  serve(ttlMs: number): void {
    for (let lost = this.line.nextHopeless(this.hall); lost; lost = this.line.nextHopeless(this.hall)) {
      assert.ok(this.naive.hopeless(this.hall).includes(lost.id), `${lost.id} is hopeless`);
      this.finish(lost, "hopeless");
    }
    for (;;) {
      const next = this.line.nextOffer(this.policy, this.hall);
      assert.deepEqual(next && { ...next, waiter: next.waiter.id }, this.expectedOffer(this.policy));
      if (next === undefined) break;
      this.offer(next.waiter, next.seats, ttlMs);
    }
    this.line.calm();
    this.isQuiet = true;
  }

  expectedOffer(policy: Policy): unknown {
    const next = this.naive.nextOffer(policy, this.hall);
    return next && { waiter: next.id, seats: next.seats };
  }

  /** A turn first settles what is due. */
  settle(): void {
    this.line.skipUnseen(this.now);
    this.naive.skipUnseen(this.now);
    let latest = Number.NEGATIVE_INFINITY;
    for (;;) {
      const ends = this.naive.ends(this.closesAt).filter(({ at }) => at <= this.now);
      const due = this.line.due(this.now, this.closesAt);
      assert.equal(due === undefined, ends.length === 0, "something is due");
      if (due === undefined) return;
      const earliest = Math.min(...ends.map(({ at }) => at));
      assert.equal(due.at, earliest);
      assert.ok(due.at >= latest, "in the order of time");
      latest = due.at;
      assert.ok(
        ends.some(({ kind, id, at }) => kind === due.kind && id === due.waiter.id && at === due.at),
        `${due.waiter.id} ${due.kind}`,
      );
      this.finish(due.waiter, due.kind === "offer" ? "lapsed" : due.kind);
    }
  }

  check(): void {
    const { line, naive, hall } = this;
    assert.deepEqual([...line.all()].map(({ id }) => id).sort(), naive.everybody.map(({ waiter }) => waiter.id).sort());
    assert.equal(line.size, naive.everybody.length);
    assert.equal(line.activeCount, naive.active.length);
    assert.equal(line.waitingCount, naive.waiting.length);
    if (this.isQuiet && !line.stirred) {
      assert.equal(naive.nextOffer(this.policy, hall), undefined, "calm: nobody is servable");
      assert.deepEqual(naive.hopeless(hall), [], "calm: nobody is hopeless");
    }
    const stirred = line.stirred && naive.waiting.length > 0;
    assert.equal(line.nextAt(this.closesAt), stirred ? Number.NEGATIVE_INFINITY : naive.nextAt(this.closesAt));
    assert.equal(line.nextHopeless(hall) === undefined, naive.hopeless(hall).length === 0);
    assert.equal(line.claimed, naive.claimedBefore(Number.POSITIVE_INFINITY, hall));
    for (const policy of ["strict", "first_fit"] as const) {
      const next = line.nextOffer(policy, hall);
      assert.deepEqual(next && { ...next, waiter: next.waiter.id }, this.expectedOffer(policy), policy);
    }
    for (const { waiter } of naive.everybody) this.checkOne(waiter);
  }

  checkOne(expected: Waiter): void {
    const { line, naive } = this;
    const waiter = this.original(expected.id);
    assert.deepEqual(waiter, expected);
    assert.equal(line.positionOf(waiter), naive.positionOf(waiter.id));
    assert.equal(line.claimedBefore(waiter), naive.claimedBefore(waiter.place, this.hall));
    const active = naive.active.find((other) => other.waiter.session === waiter.session);
    assert.equal(line.ofSession(waiter.session)?.id, active?.waiter.id);
    const rate = naive.rateAt(this.now);
    const estimate = line.estimatedWaitMs(waiter, this.now);
    if (waiter.status !== "waiting" || rate === 0) return assert.equal(estimate, undefined);
    const exact = naive.seatsThrough(waiter.id) / rate;
    assert.ok(Math.abs((estimate ?? -1) - exact) <= 1 + exact * 1e-9, `${estimate} is about ${exact}`);
  }
}

const JUMPS_MS = [0, 1, 5_000, 29_000, SEEN_FOR_MS - 1, SEEN_FOR_MS, SEEN_FOR_MS + 1, 240_000];
const LONG_JUMPS_MS = [ABSENT_AFTER_MS - 1, ABSENT_AFTER_MS, ABSENT_AFTER_MS + 1, WAITER_TTL_MS - 1, WAITER_TTL_MS];
const TTLS_MS = [1_000, 50_000, 120_000, 200_000, 600_000, 3_600_000];
const ENDS: readonly WaiterStatus[] = ["accepted", "declined", "cancelled"];

const STEPS = {
  join(life: Life, session: number, quantity: number, wish: number): void {
    const name = `session-${session % SESSIONS}` as SessionId;
    if (life.line.ofSession(name) !== undefined) return;
    life.seq += 1;
    const categories = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]][wish % 7] ?? [];
    const waiter: Waiter = {
      id: `show.${life.seq}` as WaiterId,
      session: name,
      place: life.seq,
      quantity: 1 + (quantity % 5),
      categories,
      accessible: wish % 3 === 0,
      contiguous: wish % 4 === 0,
      status: "waiting",
      version: life.seq,
      joinedAt: life.now,
      expiresAt: life.now + WAITER_TTL_MS,
      endedAt: undefined,
      requestHash: 0,
      offer: undefined,
      holdId: undefined,
    };
    life.line.add(waiter, life.now);
    life.naive.add(waiter, life.now);
  },
  lower(life: Life, index: number, quantity: number): void {
    const waiter = life.waitingOne(index);
    if (waiter === undefined || waiter.quantity === 1) return;
    const lower = 1 + (quantity % (waiter.quantity - 1));
    life.naive.find(waiter.id).waiter.quantity = lower;
    life.line.lower(waiter, lower);
  },
  poll(life: Life, index: number, count: number): void {
    // Several at one moment; also those who have an offer or are finished, which changes nothing.
    for (let i = 0; i <= count % 3; i += 1) {
      const waiter = life.waiter(index + i * 5);
      if (waiter === undefined) return;
      life.line.see(waiter, life.now);
      life.naive.see(waiter.id, life.now);
    }
  },
  end(life: Life, index: number, how: number): void {
    const waiter = life.waiter(index);
    if (waiter === undefined || waiter.endedAt !== undefined) return;
    life.finish(waiter, waiter.status === "offered" ? (ENDS[how % 3] as WaiterStatus) : "cancelled");
  },
  forget(life: Life, index: number): void {
    const waiter = life.waiter(index);
    if (waiter?.endedAt === undefined) return;
    life.line.forget(waiter.id);
    life.naive.everybody.splice(life.naive.everybody.indexOf(life.naive.find(waiter.id)), 1);
  },
  take: (life: Life, first: number, count: number) => move(life, ["free"], "held", [first, count]),
  release(life: Life, first: number, count: number): void {
    const held = someHeld(life).slice(first % 5, (first % 5) + 1 + (count % 4));
    if (held.length > 0) life.free(held);
  },
  sell: (life: Life, first: number, count: number) => move(life, ["held"], "sold", [first, count]),
  block: (life: Life, first: number, count: number) => move(life, ["free"], "blocked", [first, count]),
  unsell: (life: Life, first: number, count: number) => move(life, ["sold", "blocked"], "free", [first, count]),
  wait: (life: Life, jump: number) => pass(life, JUMPS_MS[jump % JUMPS_MS.length] as number),
  waitLong: (life: Life, jump: number) => pass(life, LONG_JUMPS_MS[jump % LONG_JUMPS_MS.length] as number),
  serve: (life: Life, ttl: number) => life.serve(TTLS_MS[ttl % TTLS_MS.length] as number),
  /** Some polls came during the outage, or none. */
  outage(life: Life, ms: number, unseen: number): void {
    const byMs = 2_000 + ms * 100;
    life.now += unseen % 2 === 0 ? byMs : 0;
    life.line.moveDeadlines(byMs, life.now);
    life.naive.move(byMs, life.now);
  },
  cutoff(life: Life, inMs: number, ms: number): void {
    life.closesAt = inMs % 4 === 0 ? Number.NEGATIVE_INFINITY : life.now + inMs * 500;
    pass(life, ms * 500);
    life.closesAt = Number.POSITIVE_INFINITY;
  },
  /** The show is loaded anew: rows in any order, everybody counts as seen. */
  load(life: Life, turn: number): void {
    const waiters = [...life.line.all()];
    const line = new Line();
    for (let i = 0; i < waiters.length; i += 1) {
      // 7919 is prime: each comes once.
      line.add({ ...(waiters[(turn + i * 7919) % waiters.length] as Waiter) }, life.now);
      // Asked too early, it says something; it must not matter later.
      if (i === turn % 5) line.nextHopeless(life.hall);
    }
    for (const naive of life.naive.waiting) {
      naive.seenAt = life.now;
      naive.isSkipped = false;
    }
    life.line = line;
    // What was freed before is not remembered; so it is noted again, to compare on.
    for (const { seatCount, at } of life.naive.freed) line.noteFreed(seatCount, at);
  },
} satisfies Record<string, (life: Life, a: number, b: number, c: number) => void>;

/** Held seats that no offer holds. */
function someHeld({ naive, hall }: Life): number[] {
  const offered = new Set(naive.active.flatMap(({ waiter }) => waiter.offer?.seats ?? []));
  return hall.inState("held").filter((seat) => !offered.has(seat));
}

function move(
  life: Life,
  from: readonly ("free" | "held" | "sold" | "blocked")[],
  to: "free" | "held" | "sold" | "blocked",
  [first, count]: readonly [number, number],
): void {
  const there = from[0] === "held" ? someHeld(life) : life.hall.inState(...from);
  const start = first % Math.max(there.length, 1);
  const seats = there.slice(start, start + 1 + (count % 6));
  if (seats.length === 0) return;
  life.hall.set(seats, to);
  life.seatsMove();
}

function pass(life: Life, ms: number): void {
  life.now += ms;
  life.settle();
}

const WEIGHTS: Readonly<Record<keyof typeof STEPS, number>> = {
  ...{ join: 12, lower: 4, poll: 8, end: 3, forget: 1, take: 3, release: 4, sell: 3, block: 1, unsell: 1 },
  ...{ wait: 5, waitLong: 1, serve: 6, outage: 1, cutoff: 0.2, load: 1 },
};

const step: fc.Arbitrary<Step> = fc.oneof(
  ...(Object.keys(WEIGHTS) as (keyof typeof STEPS)[]).map((kind) => ({
    weight: WEIGHTS[kind] * 5,
    arbitrary: fc.tuple(fc.constant(kind), fc.nat(1_000), fc.nat(1_000), fc.nat(1_000)),
  })),
);

const DRAWINGS = ["aaaaaa", "aaaa bbbb cC", "aaAA bbbbb cccCc aab", "abcabc ABCabc", "aA"];

for (const policy of ["strict", "first_fit"] as const) {
  t.test(`a line is what the specification says: ${policy}`, async (t) => {
    const drawing = fc.constantFrom(...DRAWINGS);
    const steps = fc.array(step, { maxLength: 80, size: "max" });
    // Served after every step, as turns do, or now and then, so that more is to be done at once.
    const property = fc.property(drawing, fc.boolean(), steps, (drawing, isServedAlways, steps) => {
      const life = new Life(policy, drawing);
      // Sold out to begin with, or else nobody has a reason to join.
      life.hall.set(life.hall.inState("free"), "held");
      for (const [kind, ...numbers] of steps) {
        const [a = 0, b = 0, c = 0] = numbers;
        STEPS[kind](life, a, b, c);
        life.check();
        if (isServedAlways) STEPS.serve(life, a);
        if (isServedAlways) life.check();
      }
    });
    holds(t, "as in the model", property, { numRuns: 400 });
  });
}
