// A part of this product that runs as a child process: when it dies by itself it is started again, where it was.
// S1: one at a time; a restart begins when the one before is gone and its folder given back.
// S2: attempts that fail are repeated after a pause until `stop`.

import type { Log } from "../shared/platform/log.ts";
import { type Timers, within } from "../shared/platform/timers.ts";

const PAUSE_MS = 500;

export interface ChildPart {
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

export interface SupervisedOptions<Part extends ChildPart> {
  readonly name: string;
  /** `previous` is the one that died: its address is to be taken again. */
  readonly start: (previous: Part | undefined) => Promise<Part>;
  readonly timers: Timers;
  readonly log: Log;
}

export class Supervised<Part extends ChildPart> {
  readonly #options: SupervisedOptions<Part>;
  #current: Part;
  #isStopping = false;
  readonly #watching: Promise<void>;
  #wake: () => void = () => undefined;
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#wake = resolve;
  });

  private constructor(options: SupervisedOptions<Part>, first: Part) {
    this.#options = options;
    this.#current = first;
    this.#watching = this.#watch();
  }

  /** Rejects when the first start fails. */
  static async start<Part extends ChildPart>(options: SupervisedOptions<Part>): Promise<Supervised<Part>> {
    return new Supervised(options, await options.start(undefined));
  }

  get current(): Part {
    return this.#current;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#watching;
    await this.#current.stop();
  }

  async #watch(): Promise<void> {
    const { name, log } = this.#options;
    for (;;) {
      await Promise.race([this.#current.exited, this.#stopAsked]);
      if (this.#isStopping) return;
      log.error({ part: name }, "ended unexpectedly; starting it again");
      await this.#current.stop();
      await this.#restart();
    }
  }

  async #restart(): Promise<void> {
    const { name, start, timers, log } = this.#options;
    while (!this.#isStopping) {
      try {
        this.#current = await start(this.#current);
        log.warn({ part: name }, "started again");
        return;
      } catch (error) {
        log.error({ part: name, reason: String(error) }, "could not be started again");
      }
      await within(this.#stopAsked, PAUSE_MS, () => undefined, timers);
    }
  }
}
