// Which shows a node may load. In a cluster the ring says (allocator/cluster); a node without others owns all.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Moved } from "../../shared/protocol/reply.ts";

export interface Ownership {
  /** Whether a show that is not loaded may be loaded here. */
  isMine(showId: ShowId): boolean;
  /** What is said of a show that is not. */
  moved(showId: ShowId): Moved;
  /** Claims carry it; one older than the lease's fails. */
  viewVersion(): number;
}

/** Of a node without others. */
export const SOLE_OWNERSHIP: Ownership = {
  isMine: () => true,
  moved: () => ({ kind: "moved", owner: undefined, view: 0 }),
  viewVersion: () => 0,
};
