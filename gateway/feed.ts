// What committed changes do in this gateway: seat maps move on, parked polls wake. One subscription for both.

import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";
import type { PollLot } from "../waitlist/poll/parking.ts";
import type { SeatViews } from "./seat-views.ts";

export interface FeedParts {
  readonly allocator: AllocatorPort;
  readonly views: SeatViews;
  readonly lot: PollLot;
}

// A reload says that its show was loaded anew, by an owner that does not know who was told what:
// the last word of the one before may have been lost on the way. Seat maps see a new epoch, and every poll reads again.

/** Returns the way to end it. Before anything is read: what reads afterwards misses nothing. */
export function connectFeed({ allocator, views, lot }: FeedParts): () => void {
  const ends = [
    allocator.onUpdate((update) => {
      views.apply(update);
      // Thousands of updates a second, mostly for nobody: an empty lot costs nothing.
      if (lot.size === 0) return;
      if (update.isReload) lot.wakeGroup(update.showId);
      else lot.wake(update.showId, update.touched);
    }),
    allocator.onLost(() => {
      views.distrust();
      lot.wakeAll();
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
