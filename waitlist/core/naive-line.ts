// The line as the specification's sentences say it: one array in the order of joining, walked from its head every time.
// For its tests alone: what `Line` is judged by. Time passes only where it is told: `skipUnseen(at)`.

import type { Room } from "./line.ts";
import { ABSENT_AFTER_MS, classesOf, SEEN_FOR_MS, type Waiter } from "./waiter.ts";

export interface NaiveWaiter {
  /** A copy of its own: the line writes on the original. */
  readonly waiter: Waiter;
  readonly classes: number;
  seenAt: number;
  isSkipped: boolean;
}

export interface NaiveDue {
  readonly kind: "offer" | "expired" | "absent" | "closed";
  readonly id: string;
  readonly at: number;
}

export class NaiveLine {
  readonly everybody: NaiveWaiter[] = [];
  readonly freed: { readonly seatCount: number; readonly at: number }[] = [];

  add(waiter: Waiter, seenAt: number): void {
    const classes = classesOf(waiter.categories, waiter.accessible);
    this.everybody.push({ waiter: { ...waiter }, classes, seenAt, isSkipped: false });
    this.everybody.sort((a, b) => a.waiter.place - b.waiter.place);
  }

  find(id: string): NaiveWaiter {
    const found = this.everybody.find(({ waiter }) => waiter.id === id);
    if (found === undefined) throw new Error(`${id} is unknown`);
    return found;
  }

  /** In the order of joining. */
  get waiting(): NaiveWaiter[] {
    return this.everybody.filter(({ waiter }) => waiter.status === "waiting");
  }

  get active(): NaiveWaiter[] {
    return this.everybody.filter(({ waiter }) => waiter.status === "waiting" || waiter.status === "offered");
  }

  /** Waiting and seen within the last 60 s. */
  get eligible(): NaiveWaiter[] {
    return this.waiting.filter(({ isSkipped }) => !isSkipped);
  }

  see(id: string, at: number): void {
    const naive = this.find(id);
    if (naive.waiter.status !== "waiting") return;
    naive.seenAt = at;
    naive.isSkipped = false;
  }

  skipUnseen(at: number): void {
    for (const naive of this.waiting) if (at - naive.seenAt >= SEEN_FOR_MS) naive.isSkipped = true;
  }

  noteFreed(seatCount: number, at: number): void {
    this.freed.push({ seatCount, at });
  }

  move(byMs: number, at: number): void {
    for (const naive of this.active) {
      const { waiter } = naive;
      waiter.expiresAt += byMs;
      if (waiter.offer !== undefined) waiter.offer = { ...waiter.offer, expiresAt: waiter.offer.expiresAt + byMs };
      naive.seenAt = Math.min(naive.seenAt + byMs, at);
    }
  }

  /** Of eligible waiters that can yet be served. */
  claimedBefore(place: number, room: Room): number {
    const hopeless = this.hopeless(room);
    return this.eligible
      .filter(({ waiter }) => waiter.place < place)
      .filter(({ waiter }) => !hopeless.includes(waiter.id))
      .reduce((claimed, { classes }) => claimed | classes, 0);
  }

  positionOf(id: string): number {
    return this.waiting.findIndex(({ waiter }) => waiter.id === id) + 1;
  }

  seatsThrough(id: string): number {
    const until = this.waiting.slice(0, this.positionOf(id));
    return until.reduce((seats, { waiter }) => seats + waiter.quantity, 0);
  }

  isHopeless({ waiter, classes }: NaiveWaiter, room: Room): boolean {
    return waiter.quantity > room.potentialOf(classes) || (waiter.contiguous && !room.couldSeat(waiter));
  }

  hopeless(room: Room): string[] {
    return this.waiting.filter((naive) => this.isHopeless(naive, room)).map(({ waiter }) => waiter.id);
  }

  nextOffer(policy: "strict" | "first_fit", room: Room): { id: string; seats: readonly number[] } | undefined {
    let claimed = 0;
    for (const naive of this.eligible) {
      if (this.isHopeless(naive, room)) continue;
      const { waiter, classes } = naive;
      const open = policy === "strict" ? classes & ~claimed : classes;
      const seats = room.freeOf(open) >= waiter.quantity ? room.choose(waiter, open) : undefined;
      if (seats !== undefined) return { id: waiter.id, seats };
      claimed |= classes;
    }
    return undefined;
  }

  /** Everything that ends by itself, and when. */
  ends(closesAt: number): NaiveDue[] {
    return this.active.flatMap(({ waiter, seenAt }): NaiveDue[] => {
      const closed: NaiveDue = { kind: "closed", id: waiter.id, at: closesAt };
      if (waiter.offer !== undefined) {
        const at = waiter.offer.expiresAt + waiter.offer.graceMs;
        return [{ kind: "offer", id: waiter.id, at }, closed];
      }
      const absent: NaiveDue = { kind: "absent", id: waiter.id, at: seenAt + ABSENT_AFTER_MS };
      return [{ kind: "expired", id: waiter.id, at: waiter.expiresAt }, absent, closed];
    });
  }

  nextAt(closesAt: number): number {
    const skips = this.eligible.map(({ seenAt }) => seenAt + SEEN_FOR_MS);
    return Math.min(...this.ends(closesAt).map(({ at }) => at), ...skips);
  }

  /** Seats freed per millisecond: each counts less the longer ago, as exp(-age / 10 min). 0 after an hour of silence. */
  rateAt(now: number): number {
    const silentUntil = this.freed.findLastIndex(({ at }, i) => at - (this.freed[i - 1]?.at ?? at) > 3_600_000);
    const recent = this.freed.slice(Math.max(silentUntil, 0));
    const last = recent.at(-1);
    if (last === undefined || now - last.at > 3_600_000) return 0;
    const sum = recent.reduce((sum, { seatCount, at }) => sum + seatCount * Math.exp((at - now) / 600_000), 0);
    const age = Math.max(now - (recent[0]?.at ?? now), 60_000);
    return sum / (600_000 * (1 - Math.exp(-age / 600_000)));
  }
}
