// Confirms that wait to hear that their payment is no longer begun.
// H1: whoever begins to watch ends it; a watch ends by itself only in what it waits for.

import type { BookingId } from "../../shared/kernel/ids.ts";
import { type Timers, within } from "../../shared/platform/timers.ts";

export interface Watch {
  /** Resolves when there is an outcome, or after `boundMs`. */
  outcome(boundMs: number): Promise<void>;
  end(): void;
}

export class Watches {
  readonly #timers: Timers;
  readonly #listeners = new Map<BookingId, Set<() => void>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  has(bookingId: BookingId): boolean {
    return this.#listeners.has(bookingId);
  }

  begin(bookingId: BookingId): Watch {
    let hear: () => void = () => undefined;
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    const listeners = this.#listeners.get(bookingId) ?? new Set();
    this.#listeners.set(bookingId, listeners.add(hear));
    return {
      outcome: (boundMs) => within(heard, boundMs, () => undefined, this.#timers),
      end: () => {
        listeners.delete(hear);
        if (listeners.size === 0 && this.#listeners.get(bookingId) === listeners) this.#listeners.delete(bookingId);
      },
    };
  }

  /** There is an outcome. */
  tell(bookingId: BookingId): void {
    for (const hear of this.#listeners.get(bookingId) ?? []) hear();
  }
}
