// How much an endpoint is asked at once: so many requests while it answers, none while it is in trouble, then one to
// see. The relay's pauses are a show's; these are the endpoint's, so that a thousand shows do not each find out.
// G1: at most REQUESTS_MAX requests are under way; after a pause one, until one is safe.
// G2: who finds no place waits, first come first served, at most WAIT_MAX_MS and WAITING_MAX of them.
// G3: refused news of one show is no trouble of the endpoint: it pauses when those of SHOWS_IN_TROUBLE shows were
//     refused and nothing was safe in between, or when it asks for later, is away or gone.
// G4: a pause has a length, never an end time: a clock that jumps makes no pause longer.

import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import type { Outcome } from "./outcome.ts";

export const REQUESTS_MAX = 8;
export const SHOWS_IN_TROUBLE = 3;
export const PAUSE_MIN_MS = 500;
export const PAUSE_MAX_MS = 30_000;
/** No endpoint can ask for more. */
export const RETRY_AFTER_MAX_MS = 3_600_000;
/** Between two looks whether an endpoint that said it is gone really is: its 410 may have been a slip. */
export const GONE_PAUSE_MS = 3_600_000;
export const WAITING_MAX = 256;
export const WAIT_MAX_MS = 10_000;

export interface GateOptions {
  readonly timers: Timers;
  /** In [0, 1). */
  readonly random: () => number;
}

interface Waiting {
  readonly resolve: (mayGo: boolean) => void;
  readonly timer: TimerHandle;
}

export class Gate {
  readonly #timers: Timers;
  readonly #random: () => number;
  readonly #waiting = new Set<Waiting>();
  /** Shows whose news was refused since something was safe; bounded by SHOWS_IN_TROUBLE. */
  readonly #refusedShows = new Set<string>();
  #underWay = 0;
  /** Since something was safe. */
  #pauses = 0;
  #pause: { readonly timer: TimerHandle; readonly lengthMs: number } | undefined;
  #isClosed = false;

  constructor({ timers, random }: GateOptions) {
    this.#timers = timers;
    this.#random = random;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** False: not now. Whoever hears true calls `leave`. */
  enter(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#waiting.size === 0 && this.#underWay < this.#places()) {
      this.#underWay++;
      return Promise.resolve(true);
    }
    if (this.#waiting.size >= WAITING_MAX) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = this.#timers.setTimeout(() => {
        this.#waiting.delete(waiting);
        resolve(false);
      }, WAIT_MAX_MS);
      const waiting: Waiting = { resolve, timer };
      this.#waiting.add(waiting);
    });
  }

  /** Answers the length of the pause that begins with this, if one does. */
  leave(showId: string, outcome: Outcome): number | undefined {
    this.#underWay--;
    if (this.#isClosed) return undefined;
    const pauseMs = this.#pauseFor(showId, outcome);
    const begins = pauseMs !== undefined && this.#begin(pauseMs);
    this.#admit();
    return begins ? pauseMs : undefined;
  }

  /** Nobody gets in any more; who waits is told so. */
  close(): void {
    this.#isClosed = true;
    this.#timers.clearTimeout(this.#pause?.timer);
    this.#pause = undefined;
    for (const waiting of this.#waiting) this.#answer(waiting, false);
  }

  #places(): number {
    if (this.#pause !== undefined) return 0;
    return this.#pauses > 0 ? 1 : REQUESTS_MAX;
  }

  #pauseFor(showId: string, outcome: Outcome): number | undefined {
    switch (outcome.kind) {
      case "safe":
        this.#refusedShows.clear();
        this.#pauses = 0;
        return undefined;
      case "refused":
        if (this.#refusedShows.size < SHOWS_IN_TROUBLE) this.#refusedShows.add(showId);
        return this.#refusedShows.size >= SHOWS_IN_TROUBLE ? this.#growing() : undefined;
      case "busy":
        if (outcome.retryAfterMs === undefined) return this.#growing();
        return Math.max(PAUSE_MIN_MS, Math.min(outcome.retryAfterMs, RETRY_AFTER_MAX_MS));
      case "away":
        return this.#growing();
      case "gone":
        return GONE_PAUSE_MS;
    }
  }

  #growing(): number | undefined {
    // What was under way when a pause began makes none of its own.
    if (this.#pause !== undefined) return undefined;
    const fullMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(this.#pauses, 16));
    return Math.round(fullMs * (0.5 + this.#random() / 2));
  }

  /** A pause gives way to a longer one that was asked for. */
  #begin(lengthMs: number): boolean {
    if (this.#pause !== undefined) {
      if (lengthMs <= this.#pause.lengthMs) return false;
      this.#timers.clearTimeout(this.#pause.timer);
    }
    this.#pauses++;
    const timer = this.#timers.setTimeout(() => {
      this.#pause = undefined;
      this.#admit();
    }, lengthMs);
    this.#pause = { timer, lengthMs };
    return true;
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (this.#underWay >= this.#places()) return;
      this.#underWay++;
      this.#answer(waiting, true);
    }
  }

  #answer(waiting: Waiting, mayGo: boolean): void {
    this.#waiting.delete(waiting);
    this.#timers.clearTimeout(waiting.timer);
    waiting.resolve(mayGo);
  }
}
