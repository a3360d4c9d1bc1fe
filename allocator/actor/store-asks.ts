// What the actors ask of the store besides committing, many shows to a statement.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import type { Booking } from "../core/state.ts";
import { Batcher } from "../journal/batcher.ts";
import type { BookedQuery, ClaimOutcome, ColdQuery, ColdRows, Journal, Lease } from "../journal/journal.ts";

/**
 * Opening what one answer brings is done in one go: 500 shows with 30 holds each kept the node from everything else for
 * 0.3 to 0.9 s, which is more than the others wait before they suspect it; 64 for some 20 ms, and all are loaded sooner.
 */
const CLAIM_BATCH_MAX = 64;
const FENCE_BATCH_MAX = 2_000;
const COLD_BATCH_MAX = 500;
/** Each may be a hundred rows. */
const BOOKED_BATCH_MAX = 8;

/** Each rejects with the store's error. */
export interface StoreAsks {
  readonly claims: Batcher<ShowId, ClaimOutcome>;
  /** Whether a lease still stands. */
  readonly fences: Batcher<Lease, boolean>;
  readonly colds: Batcher<ColdQuery, ColdRows>;
  readonly booked: Batcher<BookedQuery, Booking[]>;
}

export function storeAsks(journal: Journal, timers: Timers): StoreAsks {
  return {
    claims: new Batcher({
      ask: async (showIds) => {
        const outcomes = await journal.claim(showIds);
        return showIds.map((showId) => outcomes.get(showId) ?? "unknown_show");
      },
      batchMax: CLAIM_BATCH_MAX,
      batchesAtOnceMax: 2,
      timers,
    }),
    fences: new Batcher({
      ask: async (leases) => {
        const standing = await journal.fence(leases);
        return leases.map((lease) => standing.has(lease.showId));
      },
      batchMax: FENCE_BATCH_MAX,
      batchesAtOnceMax: 1,
      timers,
    }),
    // Anybody may ask for bookings that are not there: a query each would keep commits waiting for a connection.
    colds: new Batcher({
      ask: (queries) => journal.cold(queries),
      batchMax: COLD_BATCH_MAX,
      batchesAtOnceMax: 1,
      timers,
    }),
    booked: new Batcher({
      ask: (queries) => journal.booked(queries),
      batchMax: BOOKED_BATCH_MAX,
      batchesAtOnceMax: 1,
      timers,
    }),
  };
}
