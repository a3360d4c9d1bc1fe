// What a show's turns add up to until they are committed: the log's rows, each touched row once, and who waits.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { BookingId, OperationId, WaiterId } from "../../shared/kernel/ids.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import type { Waiter } from "../../waitlist/core/waiter.ts";
import type { ShowEvent } from "../core/event.ts";
import { type Booking, isUnfinished, queuedSeats, type ShowState } from "../core/state.ts";
import type { Turn } from "../core/turn.ts";
import type { CommitEntry, LogTurn, SoldSeatChange } from "../journal/journal.ts";
import { freeByCategory, seatText } from "./seat-text.ts";

export class Batch {
  readonly turns: LogTurn[] = [];
  readonly bookings = new Set<BookingId>();
  readonly waiters = new Set<WaiterId>();
  readonly operations = new Set<OperationId>();
  /** Those that began a payment: in their booking's row, not in the table of operations. */
  readonly paymentOperations = new Set<OperationId>();
  /** Called once the batch is committed, or with `false` when it never will be or nobody knows. */
  readonly waiting: ((isCommitted: boolean) => void)[] = [];
  readonly #seats = new Set<number>();
  readonly #soldBefore = new Map<number, BookingId | undefined>();
  readonly #soldAfter = new Map<number, BookingId | undefined>();
  #areTermsChanged = false;
  #waitersMovedMs = 0;

  /** `seatsBefore`: the map before the turn, needed where it may have ended an offer, whose record is gone by now. */
  add(turn: Turn, state: ShowState, seatsBefore?: Uint8Array): void {
    this.turns.push({ seq: turn.seq, at: turn.at, events: turn.events });
    for (const event of turn.events) this.#addEvent(event, state);
    if (seatsBefore === undefined) return;
    for (let seat = 0; seat < state.seats.length; seat += 1) {
      if (state.seats[seat] !== seatsBefore[seat]) this.#seats.add(seat);
    }
  }

  #addEvent(event: ShowEvent, state: ShowState): void {
    switch (event.kind) {
      case "ShowOpened":
      case "TermsChanged":
        this.#areTermsChanged = true;
        return;
      case "SeatsBlocked":
      case "SeatsUnblocked":
        this.operations.add(event.operation);
        for (const seat of event.seats) this.#seats.add(seat);
        return;
      case "DeadlinesMoved":
        for (const { id } of state.deadlines.all()) this.bookings.add(id);
        this.#moveLine(event.byMs, state);
        return;
      case "HoldPlaced":
      case "HoldExtended":
      case "HoldReleased":
      case "HoldExpired":
      case "PaymentBegun":
      case "BookingConfirmed":
      case "PaymentDeclined":
      case "PaymentAbandoned":
      case "PaymentCaptured":
      case "PaymentVoided":
      case "BookingCancelled":
        return this.#addBooking(event, state);
      case "WaiterJoined":
      case "WaiterLowered":
      case "WaiterLeft":
      case "OfferMade":
      case "OfferAccepted":
      case "OfferDeclined":
      case "OfferLapsed":
        return this.#addWaiter(event);
      default:
        assertNever(event);
    }
  }

  #addBooking(event: ShowEvent & { readonly id: BookingId }, state: ShowState): void {
    this.bookings.add(event.id);
    if (event.kind === "PaymentBegun") this.paymentOperations.add(event.operation);
    else if (event.kind === "BookingConfirmed") {
      if (event.begun !== undefined) this.paymentOperations.add(event.begun.operation);
    } else if ("operation" in event && event.operation !== undefined) this.operations.add(event.operation);
    const { seats } = state.bookings.get(event.id) as Booking;
    for (const seat of seats) this.#seats.add(seat);
    if (event.kind === "BookingConfirmed") for (const seat of seats) this.#sold(seat, undefined, event.id);
    if (event.kind === "BookingCancelled") for (const seat of seats) this.#sold(seat, event.id, undefined);
  }

  /**
   * Those with an offer hear of it. The ends of the others move in the store (C6), and are no news: a line moves when
   * its show is loaded, which sends every poll back to reading anyway.
   */
  #moveLine(byMs: number, { line }: ShowState): void {
    if (line === undefined || line.activeCount === 0) return;
    this.#waitersMovedMs += byMs;
    for (const { id, status } of line.all()) if (status === "offered") this.waiters.add(id);
  }

  #addWaiter(event: ShowEvent & { readonly waiterId: WaiterId }): void {
    this.waiters.add(event.waiterId);
    if ("operation" in event && event.operation !== undefined) this.operations.add(event.operation);
    if (event.kind === "OfferMade") for (const seat of event.seats) this.#seats.add(seat);
  }

  #sold(seat: number, before: BookingId | undefined, after: BookingId | undefined): void {
    if (!this.#soldBefore.has(seat)) this.#soldBefore.set(seat, before);
    this.#soldAfter.set(seat, after);
  }

  namesOperation(id: OperationId): boolean {
    return this.operations.has(id) || this.paymentOperations.has(id);
  }

  /** The entry to commit: copies, since the state moves on while it is under way. */
  toEntry(state: ShowState, epoch: number): CommitEntry {
    const first = this.turns[0] as LogTurn;
    return {
      showId: state.showId,
      epoch,
      previousSeq: first.seq - 1,
      seq: state.seq,
      lastAt: state.lastAt,
      outageId: state.outageId,
      active: isActive(state),
      seats: seatText(state.seats),
      free: freeByCategory(state),
      terms: this.#areTermsChanged ? state.terms : undefined,
      turns: this.turns,
      bookings: Array.from(this.bookings, (id) => ({ ...(state.bookings.get(id) as Booking) })),
      waiters: Array.from(this.waiters, (id) => ({ ...(state.line?.get(id) as Waiter) })),
      waitersMovedMs: this.#waitersMovedMs,
      waitersMoved: this.#waitersMovedMs === 0 ? 0 : (state.line?.waitingCount ?? 0),
      sold: this.#soldChanges(),
      operations: Array.from(this.operations, (id) => state.operations.get(id)).filter(
        (record) => record !== undefined,
      ),
    };
  }

  #soldChanges(): SoldSeatChange[] {
    return Array.from(this.#soldBefore, ([seat, before]) => ({ seat, before, after: this.#soldAfter.get(seat) }));
  }

  /** What the seat views hear once it is committed; taken together with the entry. */
  toUpdate(state: ShowState, epoch: number): ShowUpdate {
    const first = this.turns[0] as LogTurn;
    return {
      showId: state.showId,
      epoch,
      previous: first.seq - 1,
      version: state.seq,
      changes: Array.from(this.#seats, (seat) => [seat, state.seats[seat] as number] as const),
      queued: queuedSeats(state),
      touched: [...this.bookings, ...this.waiters],
    };
  }
}

/** Something in it has to be done without anybody asking: a takeover claims it at once. */
function isActive(state: ShowState): boolean {
  if (state.deadlines.size > 0 || (state.line?.activeCount ?? 0) > 0) return true;
  for (const booking of state.bookings.values()) if (isUnfinished(booking.payment)) return true;
  return false;
}
