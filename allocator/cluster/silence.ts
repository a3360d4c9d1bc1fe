// While the bus is away nobody in line can be heard of, and that is not their absence. Who waits counts as seen when
// their show is loaded: so shows are loaded anew, again and again, for as long as the bus is away.
// S1: whoever polls as often as a poll can be parked (30 s) is seen within every minute, however long NATS is gone.

import type { Bus } from "../../shared/cluster/bus.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

/** With a poll's 30 s less than the 60 s after which somebody is passed over. */
const AGAIN_AFTER_MS = 20_000;

export interface SilenceOptions {
  readonly bus: Bus;
  readonly timers: Timers;
  readonly loadAnew: () => void;
}

export class Silence {
  readonly #options: SilenceOptions;
  readonly #unsubscribe: () => void;
  #timer: TimerHandle | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#unsubscribe = options.bus.onConnection((isConnected) => this.#changed(isConnected));
    this.#changed(options.bus.isConnected());
  }

  stop(): void {
    this.#unsubscribe();
    this.#options.timers.clearTimeout(this.#timer);
  }

  #changed(isConnected: boolean): void {
    const { timers, loadAnew } = this.#options;
    if (isConnected) {
      timers.clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= timers.setTimeout(() => {
      this.#timer = undefined;
      loadAnew();
      this.#changed(false);
    }, AGAIN_AFTER_MS);
  }
}
