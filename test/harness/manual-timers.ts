// For tests: timers that go off when they are told to. Nothing waits for a real clock.

import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

interface Pending {
  readonly at: number;
  readonly callback: () => void;
}

export class ManualTimers implements Timers {
  readonly #pending = new Set<Pending>();
  nowMs = 0;

  get pending(): number {
    return this.#pending.size;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const pending = { at: this.nowMs + delayMs, callback };
    this.#pending.add(pending);
    return pending;
  }

  clearTimeout(handle: TimerHandle | undefined): void {
    this.#pending.delete(handle as Pending);
  }

  setImmediate(callback: () => void): TimerHandle {
    return this.setTimeout(callback, 0);
  }

  clearImmediate(handle: TimerHandle | undefined): void {
    this.clearTimeout(handle);
  }

  /** Everything due within `ms` from now goes off, in order. */
  advance(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const next = [...this.#pending].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#pending.delete(next);
      this.nowMs = next.at;
      next.callback();
    }
    this.nowMs = until;
  }
}
