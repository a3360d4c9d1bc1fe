// Wakes shows when their next deadline is due: one timer for a whole node, set to the earliest.
// N1: a hint only. Every turn settles what is due by itself; this makes sure that a turn happens.
// N2: a binary heap with lazy deletion: an entry that is no longer its show's planned moment is skipped.
// N3: a show is woken at most once a firing: one that always has something to do leaves the loop its turn at other work.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

interface Entry {
  readonly showId: ShowId;
  readonly at: number;
}

/** Longest sleep: a clock that was aligned meanwhile is looked at again at least this often. */
const SLEEP_MAX_MS = 1_000;
/** Shows woken before the loop gets a turn at other work. */
const WAKE_AT_ONCE_MAX = 200;

export class DeadlineTimer {
  readonly #heap: Entry[] = [];
  readonly #planned = new Map<ShowId, number>();
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #wake: (showId: ShowId) => void;
  #timer: TimerHandle | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(options: { timers: Timers; now: () => number; wake: (showId: ShowId) => void }) {
    this.#timers = options.timers;
    this.#now = options.now;
    this.#wake = options.wake;
  }

  /** The show's next deadline is at `dueAt` (`Infinity`: it has none; `-Infinity`: there is something to do now). */
  plan(showId: ShowId, dueAt: number): void {
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const planned = this.#planned.get(showId);
    // In the order of asking: one that always has something to do must not go before the others each time.
    const at = dueAt === Number.NEGATIVE_INFINITY ? this.#now() : dueAt;
    // A later deadline needs no change: the early wake-up finds nothing due and plans anew.
    if (planned !== undefined && planned <= at) return;
    this.#planned.set(showId, at);
    this.#push({ showId, at });
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timers.clearTimeout(this.#timer);
  }

  #arm(): void {
    const head = this.#heap[0];
    if (this.#isStopped || head === undefined || head.at >= this.#timerAt) return;
    this.#timers.clearTimeout(this.#timer);
    this.#timerAt = head.at;
    const delayMs = Math.min(SLEEP_MAX_MS, Math.max(0, head.at - this.#now()));
    this.#timer = this.#timers.setTimeout(() => this.#fire(), delayMs);
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    const due: ShowId[] = [];
    while (due.length < WAKE_AT_ONCE_MAX) {
      const head = this.#heap[0];
      if (head === undefined || head.at > now) break;
      this.#pop();
      if (this.#planned.get(head.showId) !== head.at) continue;
      this.#planned.delete(head.showId);
      due.push(head.showId);
    }
    for (const showId of due) this.#wake(showId);
    this.#arm();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as Entry).at <= entry.at) break;
      heap[i] = heap[parent] as Entry;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry).at < (heap[child] as Entry).at) child += 1;
      if ((heap[child] as Entry).at >= last.at) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
  }
}
