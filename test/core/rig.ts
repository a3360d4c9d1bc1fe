// The least shell a show's turns can have: a log and tables that commit at once, rows that go cold and are fetched
// again, takeovers that load what the tables have. No clock, no bus, no database: time comes with each command.

import type { ShowCommand } from "../../allocator/core/command.ts";
import type { Decision, TurnContext } from "../../allocator/core/decision.ts";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { evolve } from "../../allocator/core/evolve.ts";
import type { Hall } from "../../allocator/core/hall.ts";
import {
  type Booking,
  enlist,
  enlistWaiter,
  isLive,
  isUnfinished,
  newShow,
  type OperationRecord,
  type ShowState,
  setSeat,
} from "../../allocator/core/state.ts";
import { type Turn, takeTurn } from "../../allocator/core/turn.ts";
import { assert } from "../../shared/kernel/assert.ts";
import {
  type BookingId,
  bookingIdOf,
  type OperationId,
  operationOf,
  type ShowId,
  type WaiterId,
  waiterIdOf,
} from "../../shared/kernel/ids.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { isWaiting, type Waiter } from "../../waitlist/core/waiter.ts";

export interface LogRow {
  readonly seq: number;
  readonly at: number;
  readonly events: readonly ShowEvent[];
}

export class Rig {
  readonly showId: ShowId;
  readonly hall: Hall;
  readonly log: LogRow[] = [];
  readonly #bookings = new Map<BookingId, Booking>();
  readonly #waiters = new Map<WaiterId, Waiter>();
  readonly #operations = new Map<OperationId, OperationRecord>();
  readonly #terms: ShowTerms;
  state: ShowState;

  constructor(showId: ShowId, hall: Hall, terms: ShowTerms, openedAt: number) {
    this.showId = showId;
    this.hall = hall;
    this.#terms = terms;
    this.state = newShow(showId, hall, terms);
    const opened: ShowEvent = { kind: "ShowOpened", layoutId: hall.layoutId, terms };
    evolve(this.state, opened, 1, openedAt);
    this.#commit({ seq: 1, at: openedAt, events: [opened] });
  }

  /** The command's turns: one, or two when the first asks for cold rows. */
  take(command: ShowCommand, context: Omit<TurnContext, "looked">): Turn[] {
    const first = this.#turn(command, { ...context, looked: false });
    if (first.decision.kind !== "fetch") return [first];
    this.#fetch(first.decision);
    return [first, this.#turn(command, { ...context, looked: true })];
  }

  #turn(command: ShowCommand, context: TurnContext): Turn {
    const turn = takeTurn(this.state, command, context);
    if (turn.events.length > 0) this.#commit(turn);
    return turn;
  }

  #fetch({ booking, waiter, operation }: Extract<Decision, { kind: "fetch" }>): void {
    const { bookings, operations } = this.state;
    for (const id of [waiter, operation && waiterIdOf(this.showId, operation)]) {
      const row = id && this.#waiters.get(id);
      if (row === undefined || this.state.line?.get(row.id) !== undefined) continue;
      // Only those at their end are ever cold.
      assert(!isWaiting(row), `${row.id} is in line and not in memory`);
      enlistWaiter(this.state, structuredClone(row), this.state.lastAt);
    }
    const ids = [booking, operation && bookingIdOf(this.showId, operation)];
    for (const row of ids.map((id) => id && this.#bookings.get(id))) {
      if (row !== undefined && !bookings.has(row.id)) bookings.set(row.id, structuredClone(row));
    }
    if (operation === undefined || operations.has(operation)) return;
    const record = this.#operations.get(operation) ?? this.#paymentRecord(operation);
    if (record !== undefined) operations.set(operation, record);
  }

  /** What began a payment stands in its booking's row, and is fetched as a record of its own. */
  #paymentRecord(id: OperationId): OperationRecord | undefined {
    const paid = [...this.#bookings.values()].find((booking) => booking.payment?.operation === id);
    if (paid?.payment === undefined) return undefined;
    return { id, requestHash: paid.payment.requestHash, at: paid.createdAt, subject: paid.id };
  }

  #commit({ seq, at, events }: LogRow): void {
    // A copy by value: what is in the log can no longer be changed by anybody.
    this.log.push(structuredClone({ seq, at, events }));
    for (const booking of this.state.bookings.values()) {
      if (booking.version === seq) this.#bookings.set(booking.id, structuredClone(booking));
    }
    const { line } = this.state;
    for (const waiter of line?.all() ?? []) {
      // An outage moves the end of every place, which is no change of state and no new version.
      const isMoved = isWaiting(waiter) && events.some(({ kind }) => kind === "DeadlinesMoved");
      if (waiter.version === seq || isMoved) this.#waiters.set(waiter.id, structuredClone(waiter));
    }
    // Only operations that have no other row: a payment's stands in its booking's.
    for (const event of events) {
      const { operation } = event as { readonly operation?: OperationId };
      if (operation === undefined || event.kind === "PaymentBegun") continue;
      const record = this.state.operations.get(operation);
      if (record !== undefined) this.#operations.set(operation, structuredClone(record));
    }
  }

  /** Forgets what is finished and committed. */
  evict(): void {
    for (const booking of this.state.bookings.values()) {
      if (!isLive(booking) && !isUnfinished(booking.payment)) this.state.bookings.delete(booking.id);
    }
    const { line } = this.state;
    for (const waiter of [...(line?.all() ?? [])]) if (!isWaiting(waiter)) line?.forget(waiter.id);
    this.state.operations.clear();
  }

  /** A new owner loads what the tables have; everybody in line counts as seen. */
  takeOver(now: number): void {
    const { seats, seq, lastAt, outageId, terms } = this.state;
    const loaded = newShow(this.showId, this.hall, terms);
    Object.assign(loaded, { seq, lastAt, outageId });
    for (const [seat, status] of seats.entries()) setSeat(loaded, seat, status);
    const bookings = [...this.#bookings.values()].map((booking) => structuredClone(booking));
    bookings.sort((a, b) => a.expiresAt + a.graceMs - b.expiresAt - b.graceMs || a.version - b.version);
    for (const booking of bookings) {
      if (isLive(booking) || isUnfinished(booking.payment)) enlist(loaded, booking);
      loaded.keys.addHold(operationOf(booking.id));
      if (booking.payment !== undefined) loaded.keys.add(booking.payment.operation, lastAt);
    }
    // The order is in the rows, not in that of their loading.
    const waiters = [...this.#waiters.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const waiter of waiters) {
      if (isWaiting(waiter)) enlistWaiter(loaded, structuredClone(waiter), Math.max(now, lastAt));
      loaded.keys.addHold(operationOf(waiter.id));
    }
    for (const { id, at } of this.#operations.values()) loaded.keys.add(id, at);
    this.state = loaded;
  }

  /** The state as a replay of the whole log makes it. */
  replayed(): ShowState {
    const state = newShow(this.showId, this.hall, this.#terms);
    for (const { seq, at, events } of this.log) for (const event of events) evolve(state, event, seq, at);
    return state;
  }

  /** Every booking there ever was, hot or cold. */
  bookings(): Map<BookingId, Booking> {
    return new Map([...this.#bookings, ...this.state.bookings]);
  }

  /** Everybody who ever joined, hot or cold. */
  waiters(): Map<WaiterId, Waiter> {
    return new Map([
      ...this.#waiters,
      ...[...(this.state.line?.all() ?? [])].map((waiter) => [waiter.id, waiter] as const),
    ]);
  }
}
