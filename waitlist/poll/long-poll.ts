// A version-aware wait: answers at once when there is news, else when there is, else after the wait with the present.
// L1: subscribe, then read, then park: what happens after the reading wakes the poll (parking.ts, P1).
// L2: a wake-up is only a hint: what is answered was read after it.
// L3: small, for there may be 50,000: one suspended function, and whoever implements LongPoll does so with a class.

import type { Clock } from "../../shared/platform/clock.ts";
import { type Place, type PollLot, WAIT_MAX_MS } from "./parking.ts";

export interface LongPoll<T> {
  /** What `PollLot.wake` is called with. */
  readonly group: string;
  readonly id: string;
  /** Milliseconds, ≤ WAIT_MAX_MS; 0 reads once. */
  readonly waitMs: number;
  read(): Promise<T>;
  /** `false` for what the client has already: only then it waits. */
  isNews(value: T): boolean;
  /** Registers what to do when the client goes away, perhaps more than once. */
  onGone(leave: () => void): void;
  /** Takes that back. */
  offGone(leave: () => void): void;
}

/** The present, or `undefined` when the lot is full. Once the client is gone the value is whatever was read last. */
export async function longPoll<T>(lot: PollLot, clock: Clock, poll: LongPoll<T>): Promise<T | undefined> {
  if (poll.waitMs <= 0) return poll.read();
  const place = lot.enter(poll.group, poll.id);
  if (place === undefined) return undefined;
  const leave = leaving(place);
  poll.onGone(leave);
  const until = clock.now() + poll.waitMs;
  try {
    for (;;) {
      const value = await poll.read();
      const leftMs = Math.min(until - clock.now(), WAIT_MAX_MS);
      if (leftMs <= 0 || poll.isNews(value)) return value;
      const why = await place.rest(leftMs);
      if (why === "gone" || why === "closing") return value;
      // After a timeout too it is read again: the present may have moved without a message having come through.
      if (why === "timeout") return await poll.read();
    }
  } finally {
    poll.offGone(leave);
    place.leave();
  }
}

/** Not a named function inside the other: tsx would name it by a call, which makes 300 bytes of its 56. */
const leaving = (place: Place) => () => place.leave();
