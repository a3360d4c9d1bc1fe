// When those who wait leave by themselves: 60 minutes after they joined. One TTL, so one linked line through the
// entries, in the order of their `expiresAt`, is enough: no map beside those that find a waiter.
// Y1: `expiresAt` never decreases along the line; one out of turn is walked into its place from the tail.

import type { Entry } from "./entry.ts";

export class Expiry {
  #head: Entry | undefined;
  #tail: Entry | undefined;

  /** The next to leave. */
  get head(): Entry | undefined {
    return this.#head;
  }

  add(entry: Entry): void {
    const { expiresAt } = entry.waiter;
    let before = this.#tail;
    while (before !== undefined && before.waiter.expiresAt > expiresAt) before = before.expiryBefore;
    entry.expiryBefore = before;
    entry.expiryAfter = before === undefined ? this.#head : before.expiryAfter;
    if (entry.expiryAfter === undefined) this.#tail = entry;
    else entry.expiryAfter.expiryBefore = entry;
    if (before === undefined) this.#head = entry;
    else before.expiryAfter = entry;
  }

  remove(entry: Entry): void {
    if (entry.expiryBefore === undefined) this.#head = entry.expiryAfter;
    else entry.expiryBefore.expiryAfter = entry.expiryAfter;
    if (entry.expiryAfter === undefined) this.#tail = entry.expiryBefore;
    else entry.expiryAfter.expiryBefore = entry.expiryBefore;
    entry.expiryBefore = undefined;
    entry.expiryAfter = undefined;
  }
}
