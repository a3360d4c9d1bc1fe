// For the tests of the line: one waiter: it joined at time 0 and place 1 for two seats of category 0, unless said
// otherwise. Its id and its session follow from its place.

import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import { WAITER_TTL_MS, type Waiter } from "./waiter.ts";

export function aWaiter(wish: Partial<Waiter> = {}): Waiter {
  const place = wish.place ?? 1;
  const joinedAt = wish.joinedAt ?? 0;
  return {
    id: `show.${place}` as WaiterId,
    session: `session-${place}` as SessionId,
    place,
    quantity: 2,
    categories: [0],
    accessible: false,
    contiguous: false,
    status: "waiting",
    version: place,
    joinedAt,
    expiresAt: joinedAt + WAITER_TTL_MS,
    endedAt: undefined,
    requestHash: 0,
    offer: undefined,
    holdId: undefined,
    ...wish,
  };
}
