// When those who wait were last seen. A hint outside the recorded history: polls write it, no event does.
// Two linked lines through the entries, of the seen and of the skipped, each in the order they were last seen in.
// V1: nobody skipped was seen later than anybody in the line of the seen.
// V2: nobody is seen earlier than the one seen before it; so both lines only ever grow at their tails.

import type { Entry } from "./entry.ts";
import { ABSENT_AFTER_MS, SEEN_FOR_MS } from "./waiter.ts";

export class Presence {
  readonly #seen = new SeenLine();
  readonly #skipped = new SeenLine();
  #latestAt = Number.NEGATIVE_INFINITY;

  /** Somebody who came, or whose poll came. Answers whether it was skipped until now. */
  see(entry: Entry, at: number): boolean {
    const wasSkipped = entry.isSkipped;
    if (entry.seenAt !== Number.NEGATIVE_INFINITY) this.leave(entry);
    this.#latestAt = Math.max(this.#latestAt, at);
    entry.seenAt = this.#latestAt;
    this.#seen.append(entry);
    return wasSkipped;
  }

  leave(entry: Entry): void {
    (entry.isSkipped ? this.#skipped : this.#seen).remove(entry);
    entry.isSkipped = false;
    entry.seenAt = Number.NEGATIVE_INFINITY;
  }

  /** Skips the next who is unseen for 60 s; `undefined`: no more. */
  skipNext(at: number): Entry | undefined {
    const entry = this.#seen.head;
    if (entry === undefined || entry.seenAt + SEEN_FOR_MS > at) return undefined;
    this.#seen.remove(entry);
    entry.isSkipped = true;
    this.#skipped.append(entry);
    return entry;
  }

  /** Whoever was seen longest ago. */
  get oldest(): Entry | undefined {
    return this.#skipped.head ?? this.#seen.head;
  }

  /** When the oldest has been unseen for too long. */
  absentAt(): number {
    const oldest = this.oldest;
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.seenAt + ABSENT_AFTER_MS;
  }

  /** When somebody is to be skipped or gone. */
  nextAt(): number {
    const seen = this.#seen.head;
    const skipAt = seen === undefined ? Number.POSITIVE_INFINITY : seen.seenAt + SEEN_FOR_MS;
    return Math.min(skipAt, this.absentAt());
  }

  /** Nobody could be seen for so long: it does not count. But nobody is seen in the future, as far as `at` is told. */
  move(byMs: number, at: number): void {
    this.#latestAt = Math.min(this.#latestAt + byMs, at);
    this.#seen.move(byMs, at);
    this.#skipped.move(byMs, at);
  }
}

class SeenLine {
  head: Entry | undefined;
  #tail: Entry | undefined;

  append(entry: Entry): void {
    entry.seenBefore = this.#tail;
    entry.seenAfter = undefined;
    if (this.#tail === undefined) this.head = entry;
    else this.#tail.seenAfter = entry;
    this.#tail = entry;
  }

  remove(entry: Entry): void {
    if (entry.seenBefore === undefined) this.head = entry.seenAfter;
    else entry.seenBefore.seenAfter = entry.seenAfter;
    if (entry.seenAfter === undefined) this.#tail = entry.seenBefore;
    else entry.seenAfter.seenBefore = entry.seenBefore;
    entry.seenBefore = undefined;
    entry.seenAfter = undefined;
  }

  move(byMs: number, at: number): void {
    for (let entry = this.head; entry !== undefined; entry = entry.seenAfter) {
      entry.seenAt = Math.min(entry.seenAt + byMs, at);
    }
  }
}
