// Whom the free seats go to. Neither policy looks at more than the heads of the lanes: behind a head that cannot be
// seated nobody of its lane can, for they want the same.

import type { Lane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import type { Waiter } from "./waiter.ts";

/** What the line may ask about the seats. Classes are bit masks (waiter.ts). */
export interface Room {
  /** Free seats of these classes. */
  freeOf(classes: number): number;
  /** Free and held seats of these classes; paying and offered ones are held. */
  potentialOf(classes: number): number;
  /** The waiter's block among the free seats of `classes`; `undefined`: there is no contiguous one. */
  choose(waiter: Waiter, classes: number): readonly number[] | undefined;
  /** Asked for contiguous parties only: could a block of its size ever be had of what is not sold or blocked? */
  couldSeat(waiter: Waiter): boolean;
}

export interface Serving {
  readonly waiter: Waiter;
  readonly seats: readonly number[];
}

/**
 * The next to be offered seats, the hopeless apart: they claim nothing from others while they wait to be told.
 * `strict`: in order of place each is served from what nobody before it claims, or claims all it accepts.
 * `first_fit`: the first who fits in the free seats it accepts, whoever claims them.
 */
export function nextServing(policy: "strict" | "first_fit", lanes: Lanes, room: Room): Serving | undefined {
  const all = lanes.claimed;
  if (all === 0 || room.freeOf(all) === 0) return undefined;
  let claimed = 0;
  for (const lane of lanes.inOrder) {
    if (lane.isHopeless) continue;
    const serving = seat(lane, lane.classes & ~claimed, room);
    if (serving !== undefined) return serving;
    if (policy === "strict") claimed |= lane.classes;
    if (claimed === all) return undefined;
  }
  return undefined;
}

function seat(lane: Lane, open: number, room: Room): Serving | undefined {
  if (lane.head === undefined || open === 0 || room.freeOf(open) < lane.quantity) return undefined;
  const waiter = lane.head.waiter;
  const seats = room.choose(waiter, open);
  return seats === undefined ? undefined : { waiter, seats };
}
