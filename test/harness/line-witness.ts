// Reads a show's log as a stranger would, seat by seat and place by place, and says where the line was not fair. Knows
// nothing of lanes or masks: what the specification says of a strict line, written down a second time.
// V1: an offer goes to the first in the order of joining who can be served from what nobody before it claims.
// V2: when a turn is over nobody can be served from what is free, and nobody waits who never can be.
// V3: whoever is not in the line is given nothing that somebody in it claims, and whoever swaps nothing that somebody
//     before it claims.
// V4: no seat is given twice, nothing takes effect twice; a payment that succeeds after its booking was released displaces
//     nobody.
// For strict shows without accessible seats, whose waiters are all eligible: presence is not in the log.

import type { ShowEvent, WaiterJoined } from "../../allocator/core/event.ts";
import { fail } from "../../shared/kernel/assert.ts";
import type { Pool } from "../../shared/platform/postgres.ts";

type SeatState = "free" | "held" | "sold" | "blocked";

interface Entry {
  readonly id: string;
  readonly categories: readonly number[];
  readonly place: number;
  quantity: number;
}

interface Offered {
  readonly entry: Entry;
  readonly seats: readonly number[];
}

export class LineWitness {
  readonly problems: string[] = [];
  /** Waiters in the order in which they were offered seats. */
  readonly offered: string[] = [];
  /** Waiters in the order in which they joined. */
  readonly joined: string[] = [];
  readonly #showId: string;
  readonly #categoryOf: readonly number[];
  readonly #seats: SeatState[];
  /** In the order of joining, as a Map keeps it. */
  readonly #line = new Map<string, Entry>();
  readonly #offers = new Map<string, Offered>();
  readonly #holds = new Map<string, readonly number[]>();
  /** Released with their payment's outcome unknown: it may come after all. */
  readonly #abandoned = new Map<string, readonly number[]>();
  /** Holds and waiters that ever were. */
  readonly #ids = new Set<string>();
  #seq = 0;
  /** Whose offer was accepted by the event before, and with what hold. */
  #accepted: (Offered & { readonly holdId: string }) | undefined;

  /** `categoryOf`: of each seat, in layout order. */
  constructor(showId: string, categoryOf: readonly number[]) {
    this.#showId = showId;
    this.#categoryOf = categoryOf;
    this.#seats = categoryOf.map(() => "free");
  }

  /** As the seat map writes it. */
  get status(): string {
    return this.#seats.map((state) => ({ free: "0", held: "1", sold: "2", blocked: "3" })[state]).join("");
  }

  /** Free seats that are claimed. */
  get queued(): number {
    const claimed = this.#claims(Number.POSITIVE_INFINITY);
    return this.#free((category) => claimed.has(category));
  }

  /** Who waits, the head first. */
  get line(): string[] {
    return [...this.#line.keys()];
  }

  turn(seq: number, events: readonly ShowEvent[]): void {
    this.#seq = seq;
    for (const event of events) {
      this.#take(event);
      if (event.kind !== "OfferAccepted") this.#accepted = undefined;
    }
    const { next } = this.#walk();
    if (next !== undefined) this.#say(`seats for ${next.id} lie idle`);
    for (const entry of this.#line.values()) if (this.#isHopeless(entry)) this.#say(`${entry.id} waits without hope`);
  }

  #take(event: ShowEvent): void {
    switch (event.kind) {
      case "HoldPlaced":
        return this.#placed(event.id, event.seats);
      case "HoldReleased":
      case "HoldExpired":
      case "BookingCancelled":
        return this.#ended(event.id);
      case "PaymentAbandoned":
        this.#abandoned.set(event.id, this.#holds.get(event.id) ?? []);
        return this.#ended(event.id);
      case "PaymentDeclined":
        return event.released ? this.#ended(event.id) : undefined;
      case "BookingConfirmed":
        return this.#sold(event.id);
      case "SeatsBlocked":
        return this.#set(event.seats, "free", "blocked");
      case "SeatsUnblocked":
        return this.#set(event.seats, "blocked", "free");
      case "WaiterJoined":
        return this.#join(event);
      case "WaiterLowered":
        return void Object.assign(this.#line.get(event.waiterId) ?? {}, { quantity: event.quantity });
      case "OfferMade":
        return this.#offer(event.waiterId, event.seats);
      case "OfferAccepted":
        this.#accepted = { ...this.#leave(event.waiterId, true), holdId: event.holdId };
        return;
      case "WaiterLeft":
        return void this.#leave(event.waiterId, this.#offers.has(event.waiterId));
      case "OfferDeclined":
      case "OfferLapsed":
        return void this.#leave(event.waiterId, true);
    }
  }

  #join({ waiterId, quantity, categories, accessible, contiguous }: WaiterJoined): void {
    if (accessible || contiguous) fail(`${waiterId} asks for what this witness does not know`);
    this.#once(waiterId);
    this.joined.push(waiterId);
    this.#line.set(waiterId, { id: waiterId, categories, quantity, place: this.#seq });
  }

  #offer(id: string, seats: readonly number[]): void {
    const { next, claimed } = this.#walk();
    if (next?.id !== id) this.#say(`${id} is offered seats and it is the turn of ${next?.id ?? "nobody"}`);
    const entry = this.#line.get(id);
    if (entry === undefined) return this.#say(`${id} does not wait and is offered seats`);
    const isHers = (seat: number) =>
      entry.categories.includes(this.#category(seat)) && !claimed.has(this.#category(seat));
    if (seats.length !== entry.quantity || !seats.every(isHers)) this.#say(`${id} is offered the wrong seats ${seats}`);
    this.#set(seats, "free", "held");
    this.#line.delete(id);
    this.#offers.set(id, { entry, seats });
    this.offered.push(id);
  }

  #placed(id: string, seats: readonly number[]): void {
    this.#once(id);
    const accepted = this.#accepted;
    const isTakingUp = accepted?.holdId === id;
    const claimed = this.#claims(isTakingUp ? accepted.entry.place : Number.POSITIVE_INFINITY);
    const own = isTakingUp ? accepted.seats : [];
    for (const seat of seats) {
      if (!own.includes(seat) && claimed.has(this.#category(seat))) this.#say(`${id} barges: seat ${seat} is claimed`);
    }
    this.#set(seats, "free", "held");
    this.#holds.set(id, seats);
  }

  /** Of a hold, or late: then exactly its seats must be free, and nobody may wait. */
  #sold(id: string): void {
    const held = this.#holds.get(id);
    if (held !== undefined) return this.#set(held, "held", "sold");
    const seats = this.#abandoned.get(id);
    if (seats === undefined) return this.#say(`${id} is sold and was never held`);
    if (this.#line.size > 0) this.#say(`${id} is sold late and ${this.#line.size} wait`);
    this.#abandoned.delete(id);
    this.#holds.set(id, seats);
    this.#set(seats, "free", "sold");
  }

  #ended(id: string): void {
    const seats = this.#holds.get(id);
    if (seats === undefined) return this.#say(`${id} ends and there is no such hold`);
    this.#holds.delete(id);
    this.#set(seats, this.#seats[seats[0] as number] === "sold" ? "sold" : "held", "free");
  }

  #leave(id: string, hasOffer: boolean): Offered {
    const offered = this.#offers.get(id);
    const entry = offered?.entry ?? this.#line.get(id);
    if (entry === undefined || hasOffer !== (offered !== undefined)) this.#say(`${id} leaves as what it is not`);
    this.#offers.delete(id);
    this.#line.delete(id);
    this.#set(offered?.seats ?? [], "held", "free");
    return offered ?? { entry: entry ?? { id, categories: [], place: this.#seq, quantity: 0 }, seats: [] };
  }

  /** Who could be served first, and what those before it claim. */
  #walk(): { next: Entry | undefined; claimed: ReadonlySet<number> } {
    const claimed = new Set<number>();
    for (const entry of this.#line.values()) {
      if (this.#isHopeless(entry)) continue;
      const open = this.#free((category) => entry.categories.includes(category) && !claimed.has(category));
      if (open >= entry.quantity) return { next: entry, claimed };
      for (const category of entry.categories) claimed.add(category);
    }
    return { next: undefined, claimed };
  }

  /** What those who joined before `place` claim. */
  #claims(place: number): ReadonlySet<number> {
    const before = [...this.#line.values()].filter((entry) => entry.place < place && !this.#isHopeless(entry));
    return new Set(before.flatMap(({ categories }) => categories));
  }

  #isHopeless({ categories, quantity }: Entry): boolean {
    const could = this.#seats.filter(
      (state, seat) => (state === "free" || state === "held") && categories.includes(this.#category(seat)),
    );
    return could.length < quantity;
  }

  #free(isCounted: (category: number) => boolean): number {
    let count = 0;
    this.#seats.forEach((state, seat) => {
      if (state === "free" && isCounted(this.#category(seat))) count += 1;
    });
    return count;
  }

  #category(seat: number): number {
    return this.#categoryOf[seat] as number;
  }

  #set(seats: readonly number[], from: SeatState, to: SeatState): void {
    for (const seat of seats) {
      if (this.#seats[seat] !== from) this.#say(`seat ${seat} becomes ${to} and was ${this.#seats[seat]}, not ${from}`);
      this.#seats[seat] = to;
    }
  }

  #once(id: string): void {
    if (this.#ids.has(id)) this.#say(`${id} takes effect twice`);
    this.#ids.add(id);
  }

  #say(problem: string): void {
    this.problems.push(`${this.#showId} at ${this.#seq}: ${problem}`);
  }
}

/** The whole log of a show, witnessed. */
export async function witness(pool: Pool, showId: string, categoryOf: readonly number[]): Promise<LineWitness> {
  const seen = new LineWitness(showId, categoryOf);
  const { rows } = await pool.query<{ seq: string; events: string }>(
    "SELECT seq, events FROM show_log WHERE show_id = $1 ORDER BY seq",
    [showId],
  );
  for (const { seq, events } of rows) seen.turn(Number(seq), JSON.parse(events) as ShowEvent[]);
  return seen;
}
