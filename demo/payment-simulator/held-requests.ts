// Requests that are to stay without an answer. None is kept for ever, and never too many.
// R1: each ends when its client goes, after HELD_MS_MAX, when there are too many (the oldest first), or at close.

import type { Writable } from "node:stream";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export const HELD_MS_MAX = 60_000;
export const HELD_REQUESTS_MAX = 1_000;

export class HeldRequests {
  readonly #timers: Timers;
  /** In the order of their coming. */
  readonly #held = new Map<Writable, TimerHandle>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get size(): number {
    return this.#held.size;
  }

  hold(response: Writable): void {
    if (response.destroyed) return;
    for (const oldest of this.#held.keys()) {
      if (this.#held.size < HELD_REQUESTS_MAX) break;
      this.#end(oldest);
    }
    this.#held.set(
      response,
      this.#timers.setTimeout(() => this.#end(response), HELD_MS_MAX),
    );
    response.once("close", () => this.#end(response));
  }

  close(): void {
    for (const response of this.#held.keys()) this.#end(response);
  }

  #end(response: Writable): void {
    const handle = this.#held.get(response);
    if (handle === undefined) return;
    this.#held.delete(response);
    this.#timers.clearTimeout(handle);
    response.destroy();
  }
}
