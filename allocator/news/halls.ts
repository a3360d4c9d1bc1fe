// What seats and categories are called, by layout: read once each, since layouts are immutable.

import { type HallWords, wordsOf } from "./news-of.ts";
import type { NewsStore } from "./news-store.ts";

const HALLS_MAX = 1_000;

export class Halls {
  readonly #store: Pick<NewsStore, "layout">;
  /** The one asked for first goes first. */
  readonly #words = new Map<string, Promise<HallWords>>();

  constructor(store: Pick<NewsStore, "layout">) {
    this.#store = store;
  }

  words(layoutId: string): Promise<HallWords> {
    const known = this.#words.get(layoutId);
    if (known !== undefined) return known;
    const words = this.#store.layout(layoutId).then(wordsOf);
    this.#words.set(layoutId, words);
    // A failed reading must not be remembered.
    words.catch(() => this.#words.delete(layoutId));
    const oldest = this.#words.keys().next().value;
    if (this.#words.size > HALLS_MAX && oldest !== undefined) this.#words.delete(oldest);
    return words;
  }
}
