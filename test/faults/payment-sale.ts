// What the guests share: which shows are on sale, what was told, what was counted, and when it is enough.
// Shows come on sale a few at a time, so that their seats are always scarce: whoever finds one full opens the next.

import type { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import type { Repeats } from "./payment-client.ts";
import { Stories } from "./payment-story.ts";

export interface SaleOptions {
  /** In the order in which they come on sale. */
  readonly shows: readonly string[];
  /** How many of them are on sale at once. */
  readonly openShows: number;
  /** Beside them: shows that hardly anybody wants. */
  readonly quietShows: readonly string[];
  /** Payments to be begun. */
  readonly payments: number;
  readonly url: () => Promise<string>;
}

export class Sale {
  readonly stories = new Stories();
  /** Answers that nobody should have been given. */
  readonly problems: string[] = [];
  readonly repeats: Repeats = { unanswered: 0, refused: {} };
  readonly counts: Record<string, number> = {};
  /** Confirms sent, repetitions not counted. */
  begun = 0;
  readonly #options: SaleOptions;
  readonly #onSale: string[];
  #next: number;
  #isBroken = false;

  constructor(options: SaleOptions) {
    this.#options = options;
    this.#onSale = options.shows.slice(0, options.openShows);
    this.#next = options.openShows;
  }

  url(): Promise<string> {
    return this.#options.url();
  }

  isOver(): boolean {
    return this.#isBroken || this.begun >= this.#options.payments;
  }

  /** Somebody failed: the others need not go on. */
  breakOff(): void {
    this.#isBroken = true;
  }

  show(random: SeededRandom): string {
    return random.pick(this.#onSale);
  }

  quietShow(random: SeededRandom): string {
    return random.pick(this.#options.quietShows);
  }

  isFull(showId: string): void {
    const at = this.#onSale.indexOf(showId);
    const next = this.#options.shows[this.#next];
    if (at < 0) return;
    if (next === undefined) throw new Error("there are too few shows for so many guests");
    this.#onSale[at] = next;
    this.#next += 1;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
