// All lanes of a line: found by what is wanted, and those with an eligible head in order of their heads' places.
// Finding whom to serve walks these and never the line.
// N1: `inOrder` has the lanes with a head, ascending by its place; each knows its index.
// N2: `claimed` is the union of their classes, the hopeless ones apart: the claim of every eligible waiter that can yet
//     be served.
// N3: a lane without members is forgotten at once, so there are never more lanes than waiters.

import type { Entry } from "./entry.ts";
import { Lane } from "./lane.ts";
import { LANES_MAX } from "./waiter.ts";

/** What a lane is of. */
export interface Wish {
  readonly classes: number;
  readonly quantity: number;
  readonly contiguous: boolean;
}

export class Lanes {
  readonly #byKey = new Map<number, Lane>();
  readonly #inOrder: Lane[] = [];
  /** How many lanes with a head claim each class. */
  readonly #claims = new Int32Array(32);
  #claimed = 0;
  #unjudged: Lane[] = [];

  get inOrder(): readonly Lane[] {
    return this.#inOrder;
  }

  get claimed(): number {
    return this.#claimed;
  }

  /** Every lane, also those whose members are all skipped. */
  all(): IterableIterator<Lane> {
    return this.#byKey.values();
  }

  /** The lanes that came up since this was last asked. */
  takeUnjudged(): readonly Lane[] {
    if (this.#unjudged.length === 0) return this.#unjudged;
    const lanes = this.#unjudged;
    this.#unjudged = [];
    return lanes;
  }

  /** Like all writers here it answers whether a lane's head changed: only then may somebody have become servable. */
  enter(entry: Entry): boolean {
    const { quantity, contiguous } = entry.waiter;
    const key = keyOf({ classes: entry.classes, quantity, contiguous });
    let lane = this.#byKey.get(key);
    if (lane === undefined) {
      lane = new Lane(key, entry);
      this.#byKey.set(key, lane);
      this.#unjudged.push(lane);
    }
    lane.enter(entry);
    return this.#reorder(lane);
  }

  leave(entry: Entry): boolean {
    const lane = entry.lane as Lane;
    lane.leave(entry);
    if (lane.first === undefined) this.#byKey.delete(lane.key);
    return this.#reorder(lane);
  }

  /** Whether anybody of the lane can ever be seated: who cannot claims nothing. */
  judge(lane: Lane, isHopeless: boolean): void {
    if (lane.isHopeless === isHopeless) return;
    lane.isHopeless = isHopeless;
    if (lane.index >= 0) this.#claim(lane.classes, isHopeless ? -1 : 1);
  }

  /** Whether there may be a lane for this. */
  hasRoomFor(wish: Wish): boolean {
    return this.#byKey.size < LANES_MAX || this.#byKey.has(keyOf(wish));
  }

  /** It is eligible no longer. */
  skip(entry: Entry): boolean {
    const lane = entry.lane as Lane;
    lane.skip(entry);
    return this.#reorder(lane);
  }

  /** It is eligible from now on. */
  restore(entry: Entry): boolean {
    const lane = entry.lane as Lane;
    lane.restore(entry);
    return this.#reorder(lane);
  }

  /** What eligible waiters before `place` claim. */
  claimedBefore(place: number): number {
    let claimed = 0;
    for (const lane of this.#inOrder) {
      if (lane.headPlace >= place || claimed === this.#claimed) break;
      if (!lane.isHopeless) claimed |= lane.classes;
    }
    return claimed;
  }

  #reorder(lane: Lane): boolean {
    const head = lane.head;
    if (head === undefined) return this.#takeOut(lane);
    if (lane.index < 0) {
      lane.index = this.#inOrder.push(lane) - 1;
      if (!lane.isHopeless) this.#claim(lane.classes, 1);
    } else if (lane.headPlace === head.place) {
      return false;
    }
    lane.headPlace = head.place;
    this.#move(lane);
    return true;
  }

  #takeOut(lane: Lane): boolean {
    if (lane.index < 0) return false;
    lane.headPlace = Number.POSITIVE_INFINITY;
    this.#move(lane);
    this.#inOrder.pop();
    lane.index = -1;
    if (!lane.isHopeless) this.#claim(lane.classes, -1);
    return true;
  }

  /** To where its head's place calls for: past as many lanes as got ahead of it, or fell behind. */
  #move(lane: Lane): void {
    const lanes = this.#inOrder;
    let index = lane.index;
    for (let next = lanes[index + 1]; next !== undefined && next.headPlace < lane.headPlace; next = lanes[index + 1]) {
      lanes[index] = next;
      next.index = index;
      index += 1;
    }
    for (let next = lanes[index - 1]; next !== undefined && next.headPlace > lane.headPlace; next = lanes[index - 1]) {
      lanes[index] = next;
      next.index = index;
      index -= 1;
    }
    lanes[index] = lane;
    lane.index = index;
  }

  #claim(classes: number, by: 1 | -1): void {
    for (let rest = classes; rest !== 0; rest &= rest - 1) {
      const lowest = rest & -rest;
      const seatClass = 31 - Math.clz32(lowest);
      const count = (this.#claims[seatClass] as number) + by;
      this.#claims[seatClass] = count;
      if (count === 0) this.#claimed &= ~lowest;
      else this.#claimed |= lowest;
    }
  }
}

/** Unlike for different wishes: 32 bits of classes, 4 of quantity, 1 of contiguity. */
function keyOf({ classes, quantity, contiguous }: Wish): number {
  return (classes >>> 0) * 64 + quantity * 2 + (contiguous ? 1 : 0);
}
