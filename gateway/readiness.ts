// Whether this gateway can do its work now, and if not for lack of what. Asked by load balancers every second or so,
// by any number of them: one look at a time, kept for a moment, bounded in time.

import type { Clock } from "../shared/platform/clock.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { type Timers, within } from "../shared/platform/timers.ts";
import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";

export interface ReadinessOptions {
  readonly allocator: AllocatorPort;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly timers: Timers;
}

const FRESH_MS = 500;
const BOUND_MS = 1_000;

export class Readiness {
  readonly #options: ReadinessOptions;
  #isDraining = false;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #check: Promise<boolean> | undefined;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** From now on not ready: this gateway is about to stop. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Names of what does not answer; empty when ready. */
  async missing(): Promise<readonly string[]> {
    const missing = new Set(this.#options.allocator.unready());
    if (this.#isDraining) missing.add("gateway");
    if (!(await this.#storeAnswers())) missing.add("postgres");
    return [...missing];
  }

  #storeAnswers(): Promise<boolean> {
    const { clock, pool, timers } = this.#options;
    if (this.#check === undefined || clock.now() - this.#checkedAt > FRESH_MS) {
      this.#checkedAt = clock.now();
      const asked = pool.query("SELECT 1").then(
        () => true,
        () => false,
      );
      this.#check = within(asked, BOUND_MS, () => false, timers);
    }
    return this.#check;
  }
}
