// The waitlist as its specification tells it: everybody who ever joined in one array, in the order of joining, walked
// from its head each time and seat by seat. Slow on purpose; has nothing in common with waitlist/core but the words.
// Source: "Waitlist" in the specification.

import type { Hall } from "../../allocator/core/hall.ts";
import type { BookingId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";

const SECOND_MS = 1_000;
export const SEEN_FOR_MS = 60 * SECOND_MS;
const ABSENT_AFTER_MS = 300 * SECOND_MS;
export const PLACE_ENDS_AFTER_MS = 3_600 * SECOND_MS;

/** What a party would sit on. */
export interface Wish {
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
  quantity: number;
}

export interface OpenOffer {
  readonly seats: readonly number[];
  readonly total: number;
  shownUntil: number;
  endsAt: number;
}

export interface Party extends Wish {
  readonly id: WaiterId;
  readonly session: SessionId;
  readonly joinedAt: number;
  status: WaiterStatus;
  version: number;
  /** When its place ends, were it still waiting. */
  placeEndsAt: number;
  seenAt: number;
  /** Found unseen for too long; until its next poll. */
  isSkipped: boolean;
  /** While it is open. */
  offer: OpenOffer | undefined;
  /** Also when it is over. */
  lastOffer: OpenOffer | undefined;
  endedAt: number | undefined;
  holdId: BookingId | undefined;
}

/** How something ends by itself; more than one `as` when both fall into the same millisecond. */
export interface End {
  readonly at: number;
  readonly as: readonly WaiterStatus[];
}

type SeatTest = (seat: number) => boolean;

export const closingOf = (terms: ShowTerms): number =>
  terms.cancelled ? Number.NEGATIVE_INFINITY : terms.salesCutoffAt;

/** Whether so many of `seats` are side by side. */
export function hasBlock(hall: Hall, seats: readonly number[], length: number): boolean {
  return seats.some((first) => {
    let seat = first;
    for (let i = 1; i < length; i += 1) {
      seat = hall.right[seat] as number;
      if (!seats.includes(seat)) return false;
    }
    return true;
  });
}

export class LineOracle {
  readonly #hall: Hall;
  /** In the order of joining. */
  readonly everybody: Party[] = [];
  #latestSeenAt = Number.NEGATIVE_INFINITY;

  constructor(hall: Hall) {
    this.#hall = hall;
  }

  get = (id: WaiterId): Party | undefined => this.everybody.find((party) => party.id === id);

  waiting = (): Party[] => this.everybody.filter(({ status }) => status === "waiting");

  active = (): Party[] => this.everybody.filter(({ status }) => status === "waiting" || status === "offered");

  ofSession = (session: SessionId): Party | undefined => this.active().find((party) => party.session === session);

  /** Waiting and seen lately, in the order of joining. */
  eligible = (): Party[] => this.waiting().filter(({ isSkipped }) => !isSkipped);

  /** Whether such a party may be given the seat, by number. */
  accepts({ categories, accessible }: Wish, seat: number): boolean {
    return (
      categories.includes(this.#hall.category[seat] as number) && (accessible || this.#hall.accessible[seat] === 0)
    );
  }

  /** All seats of the hall that the party would take and that pass the test. */
  seatsFor(wish: Wish, test: SeatTest): number[] {
    return [...this.#hall.category.keys()].filter((seat) => this.accepts(wish, seat) && test(seat));
  }

  canSeat(wish: Wish, seats: readonly number[]): boolean {
    return seats.length >= wish.quantity && (!wish.contiguous || hasBlock(this.#hall, seats, wish.quantity));
  }

  /** Whether somebody eligible claims the seat, were it free: anybody, or whoever joined before `party`. */
  claims(seat: number, party?: Party): boolean {
    return this.eligible().some(
      (other) => (party === undefined || this.#isBefore(other, party)) && this.accepts(other, seat),
    );
  }

  #isBefore(a: Party, b: Party): boolean {
    return this.everybody.indexOf(a) < this.everybody.indexOf(b);
  }

  /** 1 for the head of those who wait, 0 for whoever does not. */
  positionOf = (party: Party): number => this.waiting().indexOf(party) + 1;

  /** The party whose turn it is now, and the seats it may be given. */
  nextServed(policy: ShowTerms["waitlistPolicy"], isFree: SeatTest): { party: Party; open: number[] } | undefined {
    const claimed = new Set<number>();
    for (const party of this.eligible()) {
      const open = this.seatsFor(party, (seat) => isFree(seat) && !claimed.has(seat));
      if (this.canSeat(party, open)) return { party, open };
      if (policy === "strict") for (const seat of open) claimed.add(seat);
    }
    return undefined;
  }

  /** Who could not be seated if everything that is not sold or blocked were free. */
  hopeless(isPossible: SeatTest): Party[] {
    return this.waiting().filter((party) => !this.canSeat(party, this.seatsFor(party, isPossible)));
  }

  endOf({ offer, placeEndsAt, seenAt }: Party, closesAt: number): End {
    const ends: [number, WaiterStatus][] = [[closesAt, "closed"]];
    if (offer !== undefined) ends.push([offer.endsAt, "lapsed"]);
    else ends.push([placeEndsAt, "expired"], [seenAt + ABSENT_AFTER_MS, "absent"]);
    const at = Math.min(...ends.map(([at]) => at));
    return { at, as: ends.filter((end) => end[0] === at).map(([, status]) => status) };
  }

  /** When the next ends, or is passed over from then on. */
  nextAt(closesAt: number): number {
    const ends = this.active().map((party) => this.endOf(party, closesAt).at);
    return Math.min(...ends, ...this.eligible().map(({ seenAt }) => seenAt + SEEN_FOR_MS));
  }

  skipUnseen(at: number): void {
    for (const party of this.waiting()) if (at >= party.seenAt + SEEN_FOR_MS) party.isSkipped = true;
  }

  /** A poll came. Clocks that go back are no news: nobody is seen before whoever was seen before it. */
  see(party: Party, at: number): void {
    if (party.status !== "waiting") return;
    this.#latestSeenAt = Math.max(this.#latestSeenAt, at);
    party.seenAt = this.#latestSeenAt;
    party.isSkipped = false;
  }

  /** A new owner has not seen anybody yet: everybody counts as seen. */
  seeEverybody(at: number): void {
    this.#latestSeenAt = Number.NEGATIVE_INFINITY;
    for (const party of this.waiting()) this.see(party, at);
  }

  /** An outage that ended now does not count; but nobody was seen in the future. */
  move(byMs: number, at: number): void {
    const later = (seenAt: number): number => Math.min(seenAt + byMs, at);
    this.#latestSeenAt = later(this.#latestSeenAt);
    for (const party of this.active()) {
      party.placeEndsAt += byMs;
      party.seenAt = later(party.seenAt);
      if (party.offer === undefined) continue;
      party.offer.shownUntil += byMs;
      party.offer.endsAt += byMs;
    }
  }
}
