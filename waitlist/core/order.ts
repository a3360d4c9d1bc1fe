// Order statistics of those who wait: how many, and how many seats, stand before a waiter.
// A Fenwick tree over slots in order of place. A slot is used once and never given again: when all are used, the
// entries that still wait move together, into twice as many slots as they are or fewer than before, which costs each
// join O(1) on the average, however many came and went.
// O1: slots ascend with places; only the newest may be appended.
// O2: node i of the tree sums the `i & -i` slots that end with slot i - 1.

import { fail } from "../../shared/kernel/assert.ts";
import type { Entry } from "./entry.ts";

const CAPACITY_MIN = 16;

export class Order {
  #slots: (Entry | undefined)[] = [];
  // Count and seats of node i side by side at 2i and 2i + 1: one cache line for both. Allocated with the first waiter.
  #tree = new Int32Array(0);
  #capacity = 0;
  #used = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  append(entry: Entry): void {
    // Nobody waits: the tree is all zeros again, the slots too.
    if (this.#count === 0) this.#used = 0;
    if (this.#used === this.#capacity) this.#compact();
    entry.slot = this.#used;
    this.#slots[this.#used] = entry;
    this.#used += 1;
    this.#count += 1;
    this.#add(entry.slot, 1, entry.waiter.quantity);
  }

  remove(entry: Entry): void {
    if (this.#slots[entry.slot] !== entry) fail(`${entry.waiter.id} does not wait`);
    this.#add(entry.slot, -1, -entry.waiter.quantity);
    this.#slots[entry.slot] = undefined;
    this.#count -= 1;
    entry.slot = -1;
  }

  /** It waits for so many seats fewer now. */
  lower(entry: Entry, bySeats: number): void {
    this.#add(entry.slot, 0, -bySeats);
  }

  countBefore(entry: Entry): number {
    let count = 0;
    for (let i = entry.slot; i > 0; i &= i - 1) count += this.#tree[2 * i] as number;
    return count;
  }

  /** Seats that those before it and it itself wait for. */
  seatsThrough(entry: Entry): number {
    let seats = 0;
    for (let i = entry.slot + 1; i > 0; i &= i - 1) seats += this.#tree[2 * i + 1] as number;
    return seats;
  }

  #add(slot: number, count: number, seats: number): void {
    const tree = this.#tree;
    for (let i = slot + 1; i <= this.#capacity; i += i & -i) {
      tree[2 * i] = (tree[2 * i] as number) + count;
      tree[2 * i + 1] = (tree[2 * i + 1] as number) + seats;
    }
  }

  #compact(): void {
    const waiting = this.#slots.filter((entry) => entry !== undefined);
    let capacity = CAPACITY_MIN;
    while (capacity < 2 * waiting.length) capacity *= 2;
    const tree = new Int32Array(2 * (capacity + 1));
    for (const [slot, entry] of waiting.entries()) {
      entry.slot = slot;
      tree[2 * (slot + 1)] = 1;
      tree[2 * (slot + 1) + 1] = entry.waiter.quantity;
    }
    for (let i = 1; i <= capacity; i += 1) {
      const parent = i + (i & -i);
      if (parent > capacity) continue;
      tree[2 * parent] = (tree[2 * parent] as number) + (tree[2 * i] as number);
      tree[2 * parent + 1] = (tree[2 * parent + 1] as number) + (tree[2 * i + 1] as number);
    }
    this.#slots = waiting;
    this.#tree = tree;
    this.#capacity = capacity;
    this.#used = waiting.length;
  }
}
