// Turns of one sold-out show with a line, for measuring what the length of the line costs. A cycle is seven turns: a hold
// is released and the head of the line has its offer, takes it up, somebody new joins, two walk-ups are refused, two
// waiters poll. So the mix is the same whatever the length.
// Q1: the line keeps its length, and every release frees as many seats as the head waits for: what happens is known
//     before, and commands are made outside what is timed.
// Q2: everybody polls in time, in an order that is not that of joining; nobody is skipped.
// Q3: timed are the turns and throwing out what ended, as the actor does after a commit (core-workload.ts, W2).

import type { ShowCommand } from "../allocator/core/command.ts";
import type { Rules } from "../allocator/core/decision.ts";
import { isLive, type ShowState } from "../allocator/core/state.ts";
import { type Turn, takeTurn } from "../allocator/core/turn.ts";
import { assert } from "../shared/kernel/assert.ts";
import { type BookingId, bookingIdOf, type OperationId, type SessionId, waiterIdOf } from "../shared/kernel/ids.ts";
import { SeededRandom } from "../shared/kernel/seeded-random.ts";
import { isWaiting } from "../waitlist/core/waiter.ts";
import { benchHall, OPENED_AT, openBenchShow, SEATS } from "./core-show.ts";

const RULES: Rules = { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments: true };
const STRETCH_CYCLES = 16;
const TURNS_PER_CYCLE = 7;
const POLLS_PER_CYCLE = 2;
/** At 100,000 waiters everybody polls every 30 s: two in seven turns are polls. */
const TURNS_PER_MS = 12;
const PARTY_MAX = 4;
/** The accessible ones stand behind them: nobody here asks for those. */
const ORDINARY_SEATS = 180;
const CATEGORIES = [0, 1, 2];

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

interface Person {
  readonly session: SessionId;
  readonly operation: OperationId;
  readonly quantity: number;
}
interface Held {
  readonly session: SessionId;
  readonly id: BookingId;
}

export class LineWorkload {
  readonly #state: ShowState = openBenchShow("show-with-a-line", benchHall());
  readonly #random: SeededRandom;
  readonly #bytes = Buffer.alloc(16);
  /** In the order of joining, from `#head` on. */
  #line: Person[] = [];
  #head = 0;
  /** The same people in another order: whoever joins polls in the place of who was served. */
  readonly #pollers: Person[] = [];
  readonly #pollerOf = new Map<OperationId, number>();
  #poller = 0;
  /** By number of seats. */
  readonly #holds: Held[][] = Array.from({ length: PARTY_MAX + 1 }, () => []);
  #turns = 0;

  constructor({ waiters, seed }: { waiters: number; seed: number }) {
    this.#random = new SeededRandom(seed);
    for (let seat = 0, size = 1; seat < ORDINARY_SEATS; seat += size, size = 1 + (size % PARTY_MAX)) {
      const seats = range(seat, seat + size);
      const session = this.#name() as SessionId;
      const operation = this.#operation();
      this.#take({ kind: "PlaceHold", session, operation, choice: { by: "seats", seats } });
      this.#holds[seats.length]?.push({ session, id: bookingIdOf(this.#state.showId, operation.id) });
    }
    this.#take({ kind: "BlockSeats", operation: this.#operation(), seats: range(ORDINARY_SEATS, SEATS) });
    for (let i = 0; i < waiters; i += 1) this.#take(this.#join());
    for (let i = this.#pollers.length - 1; i > 0; i -= 1) {
      const other = this.#random.below(i + 1);
      const person = this.#pollers[i] as Person;
      this.#setPoller(i, this.#pollers[other] as Person);
      this.#setPoller(other, person);
    }
  }

  /** About `count` turns, and how long they took. */
  run(count: number): { turns: number; tookNs: number } {
    let tookNs = 0;
    let turns = 0;
    while (turns < count) {
      const commands = Array.from({ length: STRETCH_CYCLES }, () => this.#cycle()).flat();
      const taken: Turn[] = [];
      const before = process.hrtime.bigint();
      for (const command of commands) taken.push(this.#take(command));
      tookNs += Number(process.hrtime.bigint() - before);
      turns += taken.length;
      const offers = taken.filter(({ events }) => events.at(-1)?.kind === "OfferMade").length;
      const holds = taken.filter(({ events }) => events.at(-1)?.kind === "HoldPlaced").length;
      assert(offers === STRETCH_CYCLES && holds === STRETCH_CYCLES, "every cycle serves one party");
    }
    return { turns, tookNs };
  }

  #take(command: ShowCommand): Turn {
    this.#turns += 1;
    const now = OPENED_AT + Math.floor(this.#turns / TURNS_PER_MS);
    const turn = takeTurn(this.#state, command, { now, rules: RULES, paymentsAvailable: true, looked: true });
    this.#evict(turn);
    return turn;
  }

  #evict({ events }: Turn): void {
    const { bookings, operations, line } = this.#state;
    for (const event of events) {
      if ("operation" in event && event.operation !== undefined) operations.delete(event.operation);
      if ("id" in event) {
        const booking = bookings.get(event.id);
        if (booking !== undefined && !isLive(booking)) bookings.delete(event.id);
      } else if ("waiterId" in event) {
        const waiter = line?.get(event.waiterId);
        if (waiter !== undefined && !isWaiting(waiter)) line?.forget(waiter.id);
      }
    }
  }

  #cycle(): ShowCommand[] {
    const head = this.#line[this.#head] as Person;
    this.#head += 1;
    if (this.#head * 2 > this.#line.length) {
      this.#line = this.#line.slice(this.#head);
      this.#head = 0;
    }
    const holds = this.#holds[head.quantity] as Held[];
    const chosen = this.#random.below(holds.length);
    const { id: bookingId, session } = holds[chosen] as Held;
    const operation = this.#operation();
    holds[chosen] = { session: head.session, id: bookingIdOf(this.#state.showId, operation.id) };
    const waiterId = waiterIdOf(this.#state.showId, head.operation);
    const commands: ShowCommand[] = [
      { kind: "ReleaseHold", session, operation: this.#operation(), bookingId },
      { kind: "AcceptOffer", session: head.session, operation, waiterId, seats: undefined },
      this.#join(head),
      this.#walkUp(),
      this.#walkUp(),
    ];
    for (let i = 0; i < POLLS_PER_CYCLE; i += 1) commands.push(this.#poll());
    assert(commands.length === TURNS_PER_CYCLE, "a cycle is seven turns");
    return commands;
  }

  #join(instead?: Person): ShowCommand {
    const person = {
      session: this.#name() as SessionId,
      operation: this.#name() as OperationId,
      quantity: 1 + this.#random.below(PARTY_MAX),
    };
    this.#line.push(person);
    const place = instead === undefined ? this.#pollers.length : (this.#pollerOf.get(instead.operation) as number);
    if (instead !== undefined) this.#pollerOf.delete(instead.operation);
    this.#setPoller(place, person);
    const operation = { id: person.operation, requestHash: this.#random.bits() };
    const { session, quantity } = person;
    return {
      kind: "JoinWaitlist",
      session,
      operation,
      quantity,
      categories: CATEGORIES,
      accessible: false,
      contiguous: false,
    };
  }

  #setPoller(place: number, person: Person): void {
    this.#pollers[place] = person;
    this.#pollerOf.set(person.operation, place);
  }

  #walkUp(): ShowCommand {
    const quantity = 1 + this.#random.below(PARTY_MAX);
    const choice = { by: "quantity" as const, quantity, category: undefined, accessible: false, contiguous: false };
    return { kind: "PlaceHold", session: this.#name() as SessionId, operation: this.#operation(), choice };
  }

  #poll(): ShowCommand {
    this.#poller = (this.#poller + 1) % this.#pollers.length;
    const { session, operation } = this.#pollers[this.#poller] as Person;
    return { kind: "ReadWaiter", session, waiterId: waiterIdOf(this.#state.showId, operation) };
  }

  #operation(): { id: OperationId; requestHash: number } {
    return { id: this.#name() as OperationId, requestHash: this.#random.bits() };
  }

  /** 22 characters of base64url, as an operation's id. */
  #name(): string {
    for (let at = 0; at < this.#bytes.length; at += 4) this.#bytes.writeUInt32LE(this.#random.bits(), at);
    return this.#bytes.toString("base64url");
  }
}
