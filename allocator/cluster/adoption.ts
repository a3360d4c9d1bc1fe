// After each change of the view: claims the shows that are this node's now and in which something is to be done without
// anybody asking. All others come on first touch.
// D1: what a dead node had is claimed as fast as the store gives it; what a living one still serves, a few at a time, so
//     that each of them stands still only for as long as a few take to load.
// D2: a sweep that fails is repeated until it is done, or a newer view makes it pointless. Nothing is forgotten: between
//     views a show that ends is loaded again by its owner (the registry's Z4).

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import { sleepMs, type Timers } from "../../shared/platform/timers.ts";
import type { RingOwnership } from "./ownership.ts";

const ACTIVE_SHOWS_MAX = 100_000;
/** Of those that somebody still serves, claimed at once. */
const HAND_OVER_AT_ONCE_MAX = 64;
const RETRY_MS = 200;

export interface AdoptionOptions {
  readonly activeShows: (limit: number) => Promise<ShowId[]>;
  readonly shows: {
    /** Resolves when each has been loaded, or could not be. */
    activate(showIds: readonly ShowId[]): Promise<void>;
    isLive(showId: ShowId): boolean;
  };
  readonly ownership: Pick<RingOwnership, "isMine" | "hasFormerOwner">;
  readonly timers: Timers;
  readonly log: Log;
}

export class Adoption {
  readonly #options: AdoptionOptions;
  #wanted = 0;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  /** The view changed. */
  sweep(): void {
    this.#wanted += 1;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when everything that was asked for is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let done = -1; done !== this.#wanted && !this.#isStopped; ) {
      const wanted = this.#wanted;
      try {
        await this.#adopt(wanted);
        done = wanted;
      } catch (error) {
        this.#options.log.warn({ reason: String(error) }, "shows to take over could not be read yet");
        await sleepMs(RETRY_MS, this.#options.timers);
      }
    }
  }

  async #adopt(wanted: number): Promise<void> {
    const { activeShows, shows, ownership, log } = this.#options;
    const mine = (await activeShows(ACTIVE_SHOWS_MAX)).filter((id) => ownership.isMine(id) && !shows.isLive(id));
    const served = mine.filter((id) => ownership.hasFormerOwner(id));
    const orphaned = mine.filter((id) => !ownership.hasFormerOwner(id));
    if (mine.length > 0) log.info({ orphaned: orphaned.length, served: served.length }, "takes shows over");
    await shows.activate(orphaned);
    for (let from = 0; from < served.length; from += HAND_OVER_AT_ONCE_MAX) {
      if (this.#isStopped || wanted !== this.#wanted) return;
      await shows.activate(served.slice(from, from + HAND_OVER_AT_ONCE_MAX));
    }
  }
}
