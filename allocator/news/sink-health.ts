// Whether a sink can be told anything now. One show that fails pauses alone; when many fail in a row and none comes
// through, the sink itself is away: then it rests, and after each rest one call tries it.
// H1: pauses double up to PAUSE_MAX_MS and are jittered, so that nobody who comes back is met by everybody at once.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

const CALLS_MAX = 32;
/** So many shows failed since one came through: it is not they. */
const AWAY_FROM_SHOWS = 8;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 30_000;

export const longerPauseMs = (pauseMs: number): number => Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, 2 * pauseMs));

export interface SinkHealthOptions {
  readonly timers: Timers;
  readonly random: () => number;
  /** A rest is over. */
  readonly onTry: () => void;
}

export class SinkHealth {
  readonly #options: SinkHealthOptions;
  readonly #failing = new Set<ShowId>();
  #restMs = 0;
  #rest: TimerHandle | undefined;

  constructor(options: SinkHealthOptions) {
    this.#options = options;
  }

  get isAway(): boolean {
    return this.#failing.size >= AWAY_FROM_SHOWS;
  }

  /** Calls that may be under way. */
  get callsMax(): number {
    if (this.#rest !== undefined) return 0;
    return this.isAway ? 1 : CALLS_MAX;
  }

  failed(showId: ShowId): void {
    if (!this.isAway) this.#failing.add(showId);
    if (!this.isAway || this.#rest !== undefined) return;
    const { timers, random, onTry } = this.#options;
    this.#restMs = longerPauseMs(this.#restMs);
    this.#rest = timers.setTimeout(
      () => {
        this.#rest = undefined;
        onTry();
      },
      this.#restMs * (0.5 + random()),
    );
  }

  /** Answers whether it was away until now. */
  succeeded(): boolean {
    const wasAway = this.isAway;
    this.#failing.clear();
    this.#restMs = 0;
    return wasAway;
  }

  stop(): void {
    this.#options.timers.clearTimeout(this.#rest);
    this.#rest = undefined;
  }
}
