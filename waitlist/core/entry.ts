// What the line keeps of one waiter besides the waiter itself. Every structure of the line keeps its fields here, so
// that a turn that has found a waiter touches one object more and no further map.

import type { Lane } from "./lane.ts";
import { classesOf, type Waiter } from "./waiter.ts";

export interface Entry {
  readonly waiter: Waiter;
  readonly place: number;
  /** All seat classes it accepts. */
  readonly classes: number;

  // order.ts: its slot; -1 when it does not wait.
  slot: number;

  // lane.ts: the lane it stands in while it waits, its neighbours among the lane's members, and whether the lane's
  // queue or heap holds it.
  lane: Lane | undefined;
  laneBefore: Entry | undefined;
  laneAfter: Entry | undefined;
  isStored: boolean;

  // presence.ts
  seenAt: number;
  isSkipped: boolean;
  seenBefore: Entry | undefined;
  seenAfter: Entry | undefined;
}

export function newEntry(waiter: Waiter): Entry {
  return {
    waiter,
    place: waiter.place,
    classes: classesOf(waiter.categories, waiter.accessible),
    slot: -1,
    lane: undefined,
    laneBefore: undefined,
    laneAfter: undefined,
    isStored: false,
    seenAt: Number.NEGATIVE_INFINITY,
    isSkipped: false,
    seenBefore: undefined,
    seenAfter: undefined,
  };
}

export const byPlace = (a: Entry, b: Entry): number => a.place - b.place;
