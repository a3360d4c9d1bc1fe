// After each change of the view: claims the shows that are this node's now and in which something is to be done without
// anybody asking. All others come on first touch.
// D1: what a dead node had is claimed as fast as the store gives it; what a living one still serves, a few at a time, so
//     that each of them stands still only for as long as a few take to load.
// D2: a sweep that fails is repeated until it is done, or a newer view makes it pointless. Nothing is forgotten: between
//     views a show that ends is loaded again by its owner (the registry's Z4).
// D3: a newer view is looked at at once, also while a dead node's shows are still being claimed: it may be another's death.
// D4: once more a while after: whoever served a show until it heard of the view may have given it something to do only then.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import type { RingOwnership } from "./ownership.ts";

const ACTIVE_SHOWS_MAX = 100_000;
/** Of those that somebody still serves, claimed at once. */
const HAND_OVER_AT_ONCE_MAX = 64;
const RETRY_MS = 200;
const LOOK_AGAIN_MS = 1_000;

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
  /** Ends what waits for something newer to do. */
  #interrupt: () => void = () => undefined;
  #again: TimerHandle | undefined;
  readonly #claiming = new Set<Promise<void>>();

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  /** The view changed. */
  sweep(): void {
    const { timers } = this.#options;
    if (this.#isStopped) return;
    this.#look();
    timers.clearTimeout(this.#again);
    this.#again = timers.setTimeout(() => this.#look(), LOOK_AGAIN_MS);
  }

  /** Resolves when everything that was asked for is done, but for the second look. */
  async settled(): Promise<void> {
    await this.#running;
    await Promise.allSettled(this.#claiming);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#again);
    this.#interrupt();
    await this.settled();
  }

  #look(): void {
    this.#wanted += 1;
    this.#interrupt();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    for (let done = -1; done !== this.#wanted && !this.#isStopped; ) {
      const wanted = this.#wanted;
      try {
        await this.#adopt(wanted);
        done = wanted;
      } catch (error) {
        this.#options.log.warn({ reason: String(error) }, "shows to take over could not be read yet");
        if (!this.#isStopped) await this.#untilNewer((end) => this.#options.timers.setTimeout(end, RETRY_MS));
      }
    }
  }

  async #adopt(wanted: number): Promise<void> {
    const { activeShows, shows, ownership, log } = this.#options;
    const active = await activeShows(ACTIVE_SHOWS_MAX);
    if (this.#isOver(wanted)) return;
    const mine = active.filter((id) => ownership.isMine(id) && !shows.isLive(id));
    const served = mine.filter((id) => ownership.hasFormerOwner(id));
    const orphaned = mine.filter((id) => !ownership.hasFormerOwner(id));
    if (mine.length > 0) log.info({ orphaned: orphaned.length, served: served.length }, "takes shows over");
    await this.#claim(orphaned);
    for (let from = 0; from < served.length; from += HAND_OVER_AT_ONCE_MAX) {
      if (this.#isOver(wanted)) return;
      await shows.activate(served.slice(from, from + HAND_OVER_AT_ONCE_MAX));
    }
  }

  #isOver(wanted: number): boolean {
    return this.#isStopped || wanted !== this.#wanted;
  }

  /** Until they are claimed, or there is something newer (D3): the claiming goes on. */
  async #claim(showIds: readonly ShowId[]): Promise<void> {
    if (showIds.length === 0) return;
    const claiming = this.#options.shows.activate(showIds);
    this.#claiming.add(claiming);
    const claimed = claiming.finally(() => this.#claiming.delete(claiming));
    await Promise.race([claimed, this.#untilNewer(() => undefined)]);
  }

  /** Or until what `begin` began calls `end`. */
  #untilNewer(begin: (end: () => void) => TimerHandle | undefined): Promise<void> {
    return new Promise((resolve) => {
      const handle = begin(resolve);
      this.#interrupt = () => {
        this.#options.timers.clearTimeout(handle);
        resolve();
      };
    });
  }
}
