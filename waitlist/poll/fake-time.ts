// Time in the hand of a test: a clock and its timers, which run only when the test lets time pass.

import type { Clock } from "../../shared/platform/clock.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";

export class FakeTime implements Clock, Timers {
  nowMs = 1_000_000;
  armed: { at: number; readonly callback: () => void }[] = [];
  readonly now = (): number => this.nowMs;

  setTimeout(callback: () => void, delayMs: number): object {
    const timer = { at: this.nowMs + delayMs, callback };
    this.armed.push(timer);
    return timer;
  }
  clearTimeout(handle: object | undefined): void {
    this.armed = this.armed.filter((timer) => timer !== handle);
  }
  setImmediate(callback: () => void): object {
    return this.setTimeout(callback, 0);
  }
  clearImmediate(handle: object | undefined): void {
    this.clearTimeout(handle);
  }

  /** Runs what is due, in order, up to `ms` from now. */
  async pass(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      const [next] = this.armed.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.clearTimeout(next);
      this.nowMs = Math.max(this.nowMs, next.at);
      next.callback();
      await settled();
    }
    this.nowMs = end;
  }
}

/** Lets every promise that can go on do so. */
export const settled = () => new Promise<void>((resolve) => void systemTimers.setImmediate(resolve));
