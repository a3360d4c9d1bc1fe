// Keeps a gateway's clock aligned with Postgres's: tokens, deadlines that are shown and waits are judged by it.

import type { AlignedClock } from "../shared/platform/clock.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import type { TimerHandle, Timers } from "../shared/platform/timers.ts";

const EVERY_MS = 2_000;
/** A slower answer says too little. */
const ROUND_TRIP_MAX_MS = 500;

export interface ClockWatchOptions {
  readonly pool: Pool;
  readonly clock: AlignedClock;
  readonly timers: Timers;
}

export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #timer: TimerHandle | undefined;
  #isStopped = false;
  #asking: Promise<void> = Promise.resolve();

  constructor(options: ClockWatchOptions) {
    this.#options = options;
  }

  /** Sets the clock; rejects when the store does not answer. */
  async start(): Promise<void> {
    await this.#align(Number.POSITIVE_INFINITY);
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#timer);
    await this.#asking;
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.timers.setTimeout(() => {
      // Away: the clock goes on as it is.
      this.#asking = this.#align(ROUND_TRIP_MAX_MS).catch(() => undefined);
      void this.#asking.then(() => this.#plan());
    }, EVERY_MS);
  }

  async #align(roundTripMaxMs: number): Promise<void> {
    const { pool, clock } = this.#options;
    const sentAt = clock.reading();
    const { rows } = await pool.query<{ now_ms: number }>({
      name: "clock",
      text: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms",
    });
    const receivedAt = clock.reading();
    const nowMs = rows[0]?.now_ms;
    if (nowMs !== undefined && receivedAt - sentAt <= roundTripMaxMs) clock.align(nowMs, sentAt, receivedAt);
  }
}
