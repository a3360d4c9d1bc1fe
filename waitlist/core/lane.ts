// A lane: the waiters who want the same number of seats of the same classes in the same way. Whether one of them can
// be seated, or never can, holds for all; so only its head, the eligible member with the smallest place, matters.
// Those who join in turn stand in a queue, in order of place; whoever comes back out of turn (seen again, or lowered
// into this lane) stands in a heap. Both are lazy: who is skipped or gone is taken out when it gets to the front.
// L1: every eligible member is in the queue or in the heap, once.
// L2: `head` is the eligible member with the smallest place, `undefined` when there is none.
// L3: queue and heap together take at most twice the members and LEFT_OVER_MAX more, whatever comes and goes: else both
//     are tidied, which has then been paid for by as many joins, leaves and returns.

import { byPlace, type Entry } from "./entry.ts";

const LEFT_OVER_MAX = 32;

export class Lane {
  readonly key: number;
  readonly classes: number;
  readonly quantity: number;
  readonly contiguous: boolean;
  /** Among the lanes with a head, by its place; -1 without one. Kept by `Lanes`. */
  index = -1;
  /** Its head's place; kept by `Lanes` with the index. */
  headPlace = 0;
  /** Nobody in it can ever be seated. Kept by `Lanes`. */
  isHopeless = false;
  #head: Entry | undefined;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #memberCount = 0;
  #queue: Entry[] = [];
  #queueStart = 0;
  #heap: Entry[] = [];

  constructor(key: number, entry: Entry) {
    this.key = key;
    this.classes = entry.classes;
    this.quantity = entry.waiter.quantity;
    this.contiguous = entry.waiter.contiguous;
  }

  get head(): Entry | undefined {
    return this.#head;
  }

  /** Any member, eligible or skipped: the one that came into the lane first. */
  get first(): Entry | undefined {
    return this.#first;
  }

  get memberCount(): number {
    return this.#memberCount;
  }

  /** The length of its queue, what is gone from its front included, and of its heap (L3). */
  get storedCount(): number {
    return this.#queue.length + this.#heap.length;
  }

  enter(entry: Entry): void {
    entry.lane = this;
    entry.isStored = false;
    entry.laneBefore = this.#last;
    entry.laneAfter = undefined;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.laneAfter = entry;
    this.#last = entry;
    this.#memberCount += 1;
    if (!entry.isSkipped) this.restore(entry);
  }

  leave(entry: Entry): void {
    if (entry.laneBefore === undefined) this.#first = entry.laneAfter;
    else entry.laneBefore.laneAfter = entry.laneAfter;
    if (entry.laneAfter === undefined) this.#last = entry.laneBefore;
    else entry.laneAfter.laneBefore = entry.laneBefore;
    entry.lane = undefined;
    entry.laneBefore = undefined;
    entry.laneAfter = undefined;
    this.#memberCount -= 1;
    this.skip(entry);
    this.#tidy();
  }

  /** A member is eligible no longer. */
  skip(entry: Entry): void {
    if (entry === this.#head) this.#head = this.#next();
  }

  /** A member is eligible from now on. */
  restore(entry: Entry): void {
    if (!entry.isStored) {
      entry.isStored = true;
      const last = this.#queue.at(-1);
      if (last === undefined || last.place < entry.place) this.#queue.push(entry);
      else pushHeap(this.#heap, entry);
    }
    if (this.#head === undefined || entry.place < this.#head.place) this.#head = entry;
    this.#tidy();
  }

  /** The new head: whoever is at the front of queue or heap once those not eligible are out of the way. */
  #next(): Entry | undefined {
    while (this.#queueStart < this.#queue.length) {
      const front = this.#queue[this.#queueStart] as Entry;
      if (front.lane === this && !front.isSkipped) break;
      this.#putAside(front);
      this.#queueStart += 1;
    }
    while (this.#heap.length > 0) {
      const top = this.#heap[0] as Entry;
      if (top.lane === this && !top.isSkipped) break;
      this.#putAside(top);
      popHeap(this.#heap);
    }
    const front = this.#queue[this.#queueStart];
    const top = this.#heap[0];
    if (front === undefined || top === undefined) return front ?? top;
    return front.place < top.place ? front : top;
  }

  /** A reference to it is dropped; what it is in another lane is not this lane's business. */
  #putAside(entry: Entry): void {
    if (entry.lane === this) entry.isStored = false;
  }

  /** Forgets who is gone, before too many are (L3): the front of the queue, and who left behind a head that stays. */
  #tidy(): void {
    if (this.storedCount <= 2 * this.#memberCount + LEFT_OVER_MAX) return;
    const stored = this.#queue.slice(this.#queueStart).concat(this.#heap);
    this.#queue = stored.filter((entry) => entry.lane === this).sort(byPlace);
    this.#queueStart = 0;
    this.#heap = [];
  }
}

function pushHeap(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up] as Entry;
    if (parent.place < entry.place) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = entry;
}

function popHeap(heap: Entry[]): void {
  const moved = heap.pop() as Entry;
  const size = heap.length;
  if (size === 0) return;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= size) break;
    if (down + 1 < size && (heap[down + 1] as Entry).place < (heap[down] as Entry).place) down += 1;
    const child = heap[down] as Entry;
    if (moved.place < child.place) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = moved;
}
