// A piece of work done again and again, a pause after each end. A round that fails is said once and done again.

import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export interface RoundsOptions {
  readonly what: string;
  /** Answers how long to pause after it; rejecting pauses `failedPauseMs`. */
  readonly round: () => Promise<number>;
  readonly failedPauseMs: number;
  readonly timers: Timers;
  readonly log: Log;
}

export class Rounds {
  readonly #options: RoundsOptions;
  #timer: TimerHandle | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isFailing = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  start(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.timers.setTimeout(() => {
      this.#underWay = this.#once().then((pauseMs) => this.start(pauseMs));
    }, delayMs);
  }

  /** No further round; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#timer);
    await this.#underWay;
  }

  async #once(): Promise<number> {
    const { what, round, log, failedPauseMs } = this.#options;
    try {
      const pauseMs = await round();
      this.#isFailing = false;
      return pauseMs;
    } catch (error) {
      if (!this.#isFailing) log.warn({ what, reason: String(error) }, "news: will be tried again");
      this.#isFailing = true;
      return failedPauseMs;
    }
  }
}
