// Cold rows in a show's memory: put in for the commands that name them, and taken out when nobody needs them.
// W1: a row at its end, committed, that no command waits for, is not in memory (S3 of state.ts).
// W2: what was read never replaces what is there, and brings nothing back to life: only rows at their end are put in,
//     since everything else has been in memory since the show was loaded.

import type { BookingId, OperationId, WaiterId } from "../../shared/kernel/ids.ts";
import { isWaiting } from "../../waitlist/core/waiter.ts";
import { enlistWaiter, isLive, isUnfinished, type ShowState } from "../core/state.ts";
import type { ColdRows } from "../journal/journal.ts";
import type { Batch } from "./batch.ts";

/** Ids, of rows and of operations, that a command named. */
export interface NamedRows {
  readonly booking: BookingId | undefined;
  readonly waiter: WaiterId | undefined;
  readonly operation: OperationId | undefined;
}

export class WarmRows {
  readonly #state: ShowState;
  /** What commands are waiting for or working on: not evicted meanwhile. */
  readonly #pinned = new Map<string, number>();

  constructor(state: ShowState) {
    this.#state = state;
  }

  pin({ booking, waiter, operation }: NamedRows): void {
    for (const id of [booking, waiter, operation]) {
      if (id !== undefined) this.#pinned.set(id, (this.#pinned.get(id) ?? 0) + 1);
    }
  }

  unpin({ booking, waiter, operation }: NamedRows): void {
    for (const id of [booking, waiter, operation]) {
      if (id === undefined) continue;
      const count = (this.#pinned.get(id) ?? 1) - 1;
      if (count === 0) this.#pinned.delete(id);
      else this.#pinned.set(id, count);
    }
  }

  /** Puts rows that were read into the state (W2). `asked`: the operation they were read for. */
  warm(
    { booking, waiter, operation, operationBooking, operationWaiter }: ColdRows,
    asked: OperationId | undefined,
  ): void {
    const state = this.#state;
    for (const row of [booking, operationBooking]) {
      if (row === undefined || state.bookings.has(row.id)) continue;
      if (!isLive(row) && !isUnfinished(row.payment)) state.bookings.set(row.id, row);
    }
    for (const row of [waiter, operationWaiter]) {
      if (row === undefined || isWaiting(row) || state.line?.get(row.id) !== undefined) continue;
      enlistWaiter(state, row, state.lastAt);
    }
    if (operation !== undefined && !state.operations.has(operation.id)) state.operations.set(operation.id, operation);
    // A payment's operation is in its booking's row; the turn finds it as a record of its own.
    const paid = operationBooking?.payment;
    if (operationBooking === undefined || paid === undefined || asked === undefined || paid.operation !== asked) return;
    if (!state.operations.has(asked)) {
      const { createdAt, id } = operationBooking;
      state.operations.set(asked, { id: asked, requestHash: paid.requestHash, at: createdAt, subject: id });
    }
  }

  /** Forgets those of `ids` that are cold (W1); `uncommitted` are the batches that may still name them. */
  evict(
    ids: {
      readonly bookings: Iterable<BookingId>;
      readonly waiters: Iterable<WaiterId>;
      readonly operations: Iterable<OperationId>;
    },
    uncommitted: readonly (Batch | undefined)[],
  ): void {
    const { bookings, line, operations } = this.#state;
    for (const id of ids.bookings) {
      const booking = bookings.get(id);
      if (booking === undefined || isLive(booking) || isUnfinished(booking.payment)) continue;
      if (!this.#pinned.has(id) && !uncommitted.some((batch) => batch?.bookings.has(id))) bookings.delete(id);
    }
    for (const id of ids.waiters) {
      const waiter = line?.get(id);
      if (line === undefined || waiter === undefined || isWaiting(waiter)) continue;
      if (!this.#pinned.has(id) && !uncommitted.some((batch) => batch?.waiters.has(id))) line.forget(id);
    }
    for (const id of ids.operations) {
      if (!this.#pinned.has(id) && !uncommitted.some((batch) => batch?.namesOperation(id))) operations.delete(id);
    }
  }
}
