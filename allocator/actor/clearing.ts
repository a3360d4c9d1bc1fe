// A cancelled show's bookings on their way to being cancelled, also those that are in the table only.
// L1: nobody need ask: as long as something is left `nextAt` says when to go on, and the show is active in the store, so
//     that its next owner goes on from what the tables say.
// L2: cold rows are read when nothing of the show is uncommitted, and a cancelled show sells nothing more. So what was
//     read can have been cancelled meanwhile, never sold to another: a row counts only while all of its seats are sold.
// L3: ROWS_MAX rows are read at a time, and the next only after those have been committed as cancelled.

import { SEAT_SOLD } from "../../shared/protocol/reply.ts";
import { hasToClear } from "../core/cancel-booking.ts";
import { type Booking, isToBeCleared, type ShowState } from "../core/state.ts";
import type { BookedQuery } from "../journal/journal.ts";

const ROWS_MAX = 100;
/** After the store did not answer. */
const RETRY_MS = 1_000;

export interface ClearingSurroundings {
  readonly now: () => number;
  /** Committed bookings that are `booked`; rejects when the store cannot be asked. */
  readonly booked: (query: BookedQuery) => Promise<Booking[]>;
}

export class Clearing {
  readonly #state: ShowState;
  readonly #around: ClearingSurroundings;
  #isReading = false;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(state: ShowState, around: ClearingSurroundings) {
    this.#state = state;
    this.#around = around;
  }

  /** When there is something to do; −∞: now; ∞: nothing, or not before what is uncommitted is committed. */
  nextAt(isAllCommitted: boolean): number {
    if (!this.#state.terms.cancelled || this.#isReading) return Number.POSITIVE_INFINITY;
    if (hasToClear(this.#state)) return Number.NEGATIVE_INFINITY;
    return isAllCommitted && isToBeCleared(this.#state) ? this.#notBefore : Number.POSITIVE_INFINITY;
  }

  /** Brings cold rows into the state (L2). True: there is something to clear now. */
  async read(): Promise<boolean> {
    const { showId, seats, bookings } = this.#state;
    this.#isReading = true;
    let rows: readonly Booking[] = [];
    try {
      rows = await this.#around.booked({ showId, limit: ROWS_MAX });
    } catch {
      // As if there were none: it is tried again.
    } finally {
      this.#isReading = false;
    }
    for (const row of rows) {
      const isSold = row.seats.every((seat) => seats[seat] === SEAT_SOLD);
      if (isSold && !bookings.has(row.id)) bookings.set(row.id, row);
    }
    const hasMore = hasToClear(this.#state);
    this.#notBefore = hasMore ? Number.NEGATIVE_INFINITY : this.#around.now() + RETRY_MS;
    return hasMore;
  }
}
