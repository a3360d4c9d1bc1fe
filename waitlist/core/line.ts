// The line of one show: who waits, who has an offer, in which order, who is next, and what of it ends by itself.
// Owns the `Waiter` records and is their only writer, but for `version` and `holdId`, which `evolve` sets. Knows
// nothing of seats but what `Room` answers. Every operation costs O(log n) at most, serving O(lanes).
// W1: a waiter stands in order, lanes, presence and expiry exactly while `waiting`, in the deadlines while `offered`.
// W2: an offered waiter never waits again; a finished one is a record only, until it is forgotten.
// W3: `stirred` unless nobody can have become servable or hopeless since `calm()`. What the line cannot see itself,
//     seats freed, sold, blocked or un-sold, is the caller's to stir, and to serve before the next turn.

import { fail } from "../../shared/kernel/assert.ts";
import { Deadlines } from "../../shared/kernel/deadlines.ts";
import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import { LinkedHashMap } from "../../shared/kernel/linked-hash-map.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";
import { byPlace, type Entry, newEntry } from "./entry.ts";
import { Expiry } from "./expiry.ts";
import { Hopeless } from "./hopeless.ts";
import { Lanes, type Wish } from "./lanes.ts";
import { Order } from "./order.ts";
import { Pace } from "./pace.ts";
import { Presence } from "./presence.ts";
import { nextServing, type Room } from "./serve.ts";
import { isWaiting, type Offer, WAITERS_MAX, type Waiter } from "./waiter.ts";

export type { Room } from "./serve.ts";

/** What fell due, and when. `expired`: after its 60 minutes; `closed`: sales are over. */
export interface LineDue {
  readonly kind: "offer" | "expired" | "absent" | "closed";
  readonly waiter: Waiter;
  readonly at: number;
}

export class Line {
  readonly #entries = new LinkedHashMap<WaiterId, Entry>();
  readonly #bySession = new LinkedHashMap<SessionId, Entry>();
  readonly #presence = new Presence();
  readonly #pace = new Pace();
  #hopeless = new Hopeless();
  #order = new Order();
  #lanes = new Lanes();
  #expiry = new Expiry();
  /** Of the offers. */
  #deadlines = new Deadlines<"offer", Entry>();
  #waitingCount = 0;
  #stirred = true;
  // The newest place; and whether somebody came out of turn, as when a show is loaded. Then order, lanes and deadlines
  // are built anew, once, before they are next asked: 100,000 out of turn one by one would walk past each other.
  #newestPlace = Number.NEGATIVE_INFINITY;
  #isOutOfOrder = false;
  // The one last found: a turn asks for a waiter and then says several things about it.
  #found: Entry | undefined;

  get(id: WaiterId): Waiter | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#found = entry;
    return entry?.waiter;
  }

  /** Records, finished ones too. */
  get size(): number {
    return this.#entries.size;
  }

  /** Waiting or offered. */
  get activeCount(): number {
    return this.#bySession.size;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  *all(): IterableIterator<Waiter> {
    for (const entry of this.#entries.values()) yield entry.waiter;
  }

  /** Whether one more may wait, for this: waiters and different wishes are bounded. */
  hasRoomFor(wish: Wish): boolean {
    return this.activeCount < WAITERS_MAX && this.#lanes.hasRoomFor(wish);
  }

  /** Its active entry. */
  ofSession(session: SessionId): Waiter | undefined {
    return this.#bySession.get(session)?.waiter;
  }

  // Writers: for `evolve` and the loading of a show only.

  /** A newcomer; or, in any order, what was loaded: a waiting or an offered one, or a finished one as a record only. */
  add(waiter: Waiter, seenAt: number): void {
    if (this.#entries.has(waiter.id)) fail(`${waiter.id} is in the line already`);
    const entry = newEntry(waiter);
    if (isWaiting(waiter) && this.#bySession.has(waiter.session)) fail(`the session of ${waiter.id} waits already`);
    this.#entries.set(waiter.id, entry);
    if (!isWaiting(waiter)) return;
    this.#bySession.set(waiter.session, entry);
    if (waiter.status === "waiting") {
      this.#waitingCount += 1;
      this.#presence.see(entry, seenAt);
    }
    if (waiter.status === "offered" || waiter.place <= this.#newestPlace) this.#isOutOfOrder = true;
    this.#newestPlace = Math.max(this.#newestPlace, waiter.place);
    if (!this.#isOutOfOrder) this.#enter(entry);
  }

  /** It waits for fewer seats from now on, at its old place. */
  lower(waiter: Waiter, quantity: number): void {
    const entry = this.#waiting(waiter);
    if (quantity >= waiter.quantity) fail(`${waiter.id} waits for ${waiter.quantity} seats, not more than ${quantity}`);
    this.#order.lower(entry, waiter.quantity - quantity);
    // What it no longer claims where it was, whoever is before it in the new lane claims.
    this.#lanes.leave(entry);
    waiter.quantity = quantity;
    // A lane that comes up, with skipped members alone, may be hopeless.
    if (this.#lanes.enter(entry) || entry.isSkipped) this.#stirred = true;
  }

  offer(waiter: Waiter, offer: Offer): void {
    const entry = this.#waiting(waiter);
    this.#leave(entry);
    waiter.status = "offered";
    waiter.offer = offer;
    this.#expect(entry, offer);
  }

  /** A waiting or an offered one ends as `status`. */
  finish(waiter: Waiter, status: WaiterStatus, at: number): void {
    const entry = this.#active(waiter);
    if (status === "waiting" || status === "offered") fail(`${waiter.id} cannot end as ${status}`);
    if (waiter.status === "waiting") this.#leave(entry);
    else this.#deadlines.delete("offer", entry);
    this.#bySession.delete(waiter.session);
    waiter.status = status;
    waiter.offer = undefined;
    waiter.endedAt = at;
  }

  /** After an outage that ended at `at`: it does not count, for deadlines nor for being seen. */
  moveDeadlines(byMs: number, at = Number.POSITIVE_INFINITY): void {
    this.#settle();
    for (const { waiter } of this.#bySession.values()) {
      waiter.expiresAt += byMs;
      if (waiter.offer !== undefined) {
        waiter.offer = { ...waiter.offer, expiresAt: waiter.offer.expiresAt + byMs };
      }
    }
    this.#deadlines.moveAll(byMs);
    this.#presence.move(byMs, at);
  }

  /** Lets go of a finished one's record. */
  forget(id: WaiterId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (isWaiting(entry.waiter)) fail(`${id} still waits`);
    this.#entries.delete(id);
  }

  /** Seats that became free, for the estimate of waits. */
  noteFreed(seatCount: number, at: number): void {
    this.#pace.note(seatCount, at);
  }

  // Presence: a hint outside the history.

  /** It polled. One that is skipped gets its place back. */
  see(waiter: Waiter, at: number): void {
    const entry = this.#find(waiter);
    if (entry === undefined || waiter.status !== "waiting") return;
    this.#settle();
    if (this.#presence.see(entry, at) && this.#lanes.restore(entry)) this.#stirred = true;
  }

  // Time.

  /** When something is to be done without anybody asking: -Infinity while somebody waits to be served, Infinity never. */
  nextAt(closesAt: number): number {
    this.#settle();
    if (this.activeCount === 0) return Number.POSITIVE_INFINITY;
    if (this.#stirred && this.#waitingCount > 0) return Number.NEGATIVE_INFINITY;
    return Math.min(closesAt, this.#expiresAt(), this.#deadlines.nextAt(), this.#presence.nextAt());
  }

  /** Who is unseen for 60 s is passed over from now on, and claims nothing: `countMax` of them, the rest stay due. */
  skipUnseen(at: number, countMax = Number.POSITIVE_INFINITY): void {
    this.#settle();
    for (let count = 0; count < countMax; count += 1) {
      const entry = this.#presence.skipNext(at);
      if (entry === undefined) return;
      if (this.#lanes.skip(entry)) this.#stirred = true;
    }
  }

  /** Whether somebody is still in line, or not yet skipped, who should not be. */
  isBehind(at: number): boolean {
    this.#settle();
    return Math.min(this.#deadlines.nextAt(), this.#expiresAt(), this.#presence.nextAt()) <= at;
  }

  /** The earliest of what is due. It stays due until the waiter is finished. */
  due(at: number, closesAt: number): LineDue | undefined {
    this.#settle();
    const lapsesAt = this.#deadlines.nextAt();
    const expiresAt = this.#expiresAt();
    const absentAt = this.#presence.absentAt();
    const earliest = Math.min(lapsesAt, expiresAt, absentAt, closesAt);
    if (earliest > at) return undefined;
    if (earliest === lapsesAt) return dueOf("offer", this.#deadlines.next()?.id, lapsesAt);
    if (earliest === expiresAt) return dueOf("expired", this.#expiry.head, expiresAt);
    if (earliest === absentAt) return dueOf("absent", this.#presence.oldest, absentAt);
    return dueOf("closed", this.#expiry.head ?? this.#deadlines.next()?.id, closesAt);
  }

  // Serving.

  /** Whether somebody may have become servable or hopeless since the line was last calm (W3). A new line is stirred. */
  get stirred(): boolean {
    return this.#stirred;
  }

  stir(): void {
    this.#stirred = true;
  }

  calm(): void {
    this.#stirred = false;
  }

  /** Classes that eligible waiters claim. One that was found hopeless claims nothing while it waits to be told. */
  get claimed(): number {
    this.#settle();
    return this.#lanes.claimed;
  }

  /** Classes claimed by eligible waiters with a smaller place. */
  claimedBefore(waiter: Waiter): number {
    this.#settle();
    return this.#lanes.claimedBefore(waiter.place);
  }

  nextOffer(
    policy: "strict" | "first_fit",
    room: Room,
  ): { readonly waiter: Waiter; readonly seats: readonly number[] } | undefined {
    this.#settle();
    if (this.#lanes.claimed === 0) return undefined;
    this.#hopeless.judge(this.#lanes, room);
    const next = nextServing(policy, this.#lanes, room);
    if (next === undefined) return undefined;
    this.#found = next.entry;
    return { waiter: next.entry.waiter, seats: next.seats };
  }

  /** Somebody who waits, skipped or not, and can never be seated. */
  nextHopeless(room: Room): Waiter | undefined {
    this.#settle();
    if (this.#waitingCount === 0) return undefined;
    this.#hopeless.judge(this.#lanes, room);
    const entry = this.#hopeless.next();
    if (entry !== undefined) this.#found = entry;
    return entry?.waiter;
  }

  /** 1 is the head; skipped ones keep their place and count. 0 when it does not wait. */
  positionOf(waiter: Waiter): number {
    const entry = this.#find(waiter);
    if (entry === undefined || waiter.status !== "waiting") return 0;
    this.#settle();
    return this.#order.countBefore(entry) + 1;
  }

  /** By how fast seats were freed lately; `undefined` when none were, or it does not wait. */
  estimatedWaitMs(waiter: Waiter, at: number): number | undefined {
    const entry = this.#find(waiter);
    if (entry === undefined || waiter.status !== "waiting") return undefined;
    this.#settle();
    return this.#pace.timeFor(this.#order.seatsThrough(entry), at);
  }

  #expiresAt(): number {
    return this.#expiry.head?.waiter.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  #find(waiter: Waiter): Entry | undefined {
    if (this.#found?.waiter === waiter) return this.#found;
    const entry = this.#entries.get(waiter.id);
    if (entry !== undefined) this.#found = entry;
    return entry;
  }

  #active(waiter: Waiter): Entry {
    const entry = this.#find(waiter);
    if (entry === undefined || !isWaiting(waiter)) fail(`${waiter.id} is not in the line`);
    this.#settle();
    return entry;
  }

  #waiting(waiter: Waiter): Entry {
    const entry = this.#active(waiter);
    if (waiter.status !== "waiting") fail(`${waiter.id} has an offer`);
    return entry;
  }

  #enter(entry: Entry): void {
    this.#order.append(entry);
    this.#expiry.add(entry);
    if (this.#lanes.enter(entry)) this.#stirred = true;
  }

  #leave(entry: Entry): void {
    this.#waitingCount -= 1;
    this.#order.remove(entry);
    this.#expiry.remove(entry);
    if (this.#lanes.leave(entry)) this.#stirred = true;
    this.#presence.leave(entry);
  }

  #expect(entry: Entry, offer: Offer): void {
    this.#deadlines.set("offer", offer.lineMs, entry, deadlineOf(offer));
  }

  /** Puts everybody in order, where somebody came out of turn. */
  #settle(): void {
    if (!this.#isOutOfOrder) return;
    this.#isOutOfOrder = false;
    this.#stirred = true;
    this.#order = new Order();
    this.#lanes = new Lanes();
    this.#hopeless = new Hopeless();
    this.#expiry = new Expiry();
    const entries = [...this.#bySession.values()];
    for (const entry of entries.filter(({ waiter }) => waiter.status === "waiting").sort(byPlace)) this.#enter(entry);
    this.#deadlines = new Deadlines();
    const offers = entries.flatMap((entry) =>
      entry.waiter.offer === undefined ? [] : ([[entry, entry.waiter.offer]] as const),
    );
    for (const [entry, offer] of offers.sort(([, a], [, b]) => deadlineOf(a) - deadlineOf(b)))
      this.#expect(entry, offer);
  }
}

/** When the server ends an offer: the grace after what was shown. */
const deadlineOf = (offer: Offer): number => offer.expiresAt + offer.graceMs;

const dueOf = (kind: LineDue["kind"], entry: Entry | undefined, at: number): LineDue | undefined =>
  entry && { kind, waiter: entry.waiter, at };
