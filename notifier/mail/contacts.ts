// Which bookings left an address. Most did not, and every confirmation of every show asks: so whoever asks at the same
// time is answered by one statement, and one is under way at a time.
// C1: a statement asks about BOOKINGS_MAX bookings and one caller's more, at most; ASKING_MAX callers wait, at most.

import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import { operationOf, showOf } from "../../shared/kernel/ids.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Timers } from "../../shared/platform/timers.ts";

const BOOKINGS_MAX = 1_000;
const ASKING_MAX = 1_000;

interface Asking {
  readonly ids: readonly BookingId[];
  readonly resolve: (found: ReadonlySet<BookingId>) => void;
  readonly reject: (error: unknown) => void;
}

export class Contacts {
  readonly #pool: Pool;
  readonly #timers: Timers;
  #asking: Asking[] = [];
  #isUnderWay = false;

  constructor(pool: Pool, timers: Timers) {
    this.#pool = pool;
    this.#timers = timers;
  }

  /** Those that did, and perhaps some that others asked about. */
  among(ids: readonly BookingId[]): Promise<ReadonlySet<BookingId>> {
    if (this.#asking.length >= ASKING_MAX) return Promise.reject(new Error("too many ask for addresses"));
    return new Promise((resolve, reject) => {
      this.#asking.push({ ids, resolve, reject });
      if (this.#isUnderWay) return;
      this.#isUnderWay = true;
      this.#timers.setImmediate(() => void this.#askAll());
    });
  }

  async #askAll(): Promise<void> {
    while (this.#asking.length > 0) {
      const batch = this.#nextBatch();
      try {
        const found = await this.#read(batch.flatMap(({ ids }) => ids));
        for (const { resolve } of batch) resolve(found);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isUnderWay = false;
  }

  #nextBatch(): Asking[] {
    let bookings = 0;
    let count = 0;
    for (const { ids } of this.#asking) {
      if (bookings >= BOOKINGS_MAX) break;
      bookings += ids.length;
      count += 1;
    }
    return this.#asking.splice(0, count);
  }

  async #read(ids: readonly BookingId[]): Promise<ReadonlySet<BookingId>> {
    const { rows } = await this.#pool.query<{ show_id: ShowId; id: string }>({
      name: "mail_contacts",
      text: `SELECT show_id, id FROM unnest($1::text[], $2::text[]) AS asked(show_id, id) JOIN booking USING (show_id, id)
             WHERE contact_email IS NOT NULL`,
      values: [ids.map(showOf), ids.map(operationOf)],
    });
    return new Set(rows.map(({ show_id: showId, id }): BookingId => `${showId}.${id}` as BookingId));
  }
}
