// Who owns which show, by the leases; and the moment from which the leases say what the ring says.

import { Ring } from "../shared/cluster/ring.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";

const SETTLE_MAX_MS = 60_000;
const LOOK_MS = 100;

interface LeaseRow {
  readonly show_id: ShowId;
  readonly owner: string;
}

export async function ownersOf(pool: Pool): Promise<Map<ShowId, string>> {
  const { rows } = await pool.query<LeaseRow>("SELECT show_id, owner FROM show_lease");
  return new Map(rows.map((row) => [row.show_id, row.owner]));
}

/** Resolves with the owners once each of the active shows is its ring's. Rejects when that takes too long. */
export async function settled(pool: Pool, nodeIds: readonly string[]): Promise<Map<ShowId, string>> {
  const ring = Ring.of(nodeIds);
  for (const endsAt = performance.now() + SETTLE_MAX_MS; performance.now() < endsAt; ) {
    const owners = await ownersOf(pool);
    if ([...owners].every(([showId, owner]) => ring.owner(showId) === owner)) return owners;
    await sleepMs(LOOK_MS, systemTimers);
  }
  throw new Error(`the shows are not where they should be after ${SETTLE_MAX_MS} ms`);
}
