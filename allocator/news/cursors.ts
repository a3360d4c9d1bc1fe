// How far one sink is in every show, as far as this node knows, and what of that the store does not know yet.
// C1: knowledge is a shortcut: what is forgotten is read again from the store, and what it was not told is told twice.
// C2: written in bulk, now and then: a cursor a commit would cost as much as the commit.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { NewsStore } from "./news-store.ts";

/** Some 80 bytes each. */
const KNOWN_MAX = 100_000;
const UNWRITTEN_MAX = 100_000;
const CURSORS_PER_STATEMENT_MAX = 2_000;

export class Cursors {
  readonly #sink: string;
  readonly #store: Pick<NewsStore, "writeCursors">;
  readonly #known = new Map<ShowId, number>();
  readonly #unwritten = new Map<ShowId, number>();

  constructor(sink: string, store: Pick<NewsStore, "writeCursors">) {
    this.#sink = sink;
    this.#store = store;
  }

  /** Everything of the show up to it is safe; `undefined`: not known. */
  get(showId: ShowId): number | undefined {
    return this.#known.get(showId);
  }

  /** So the store says. */
  found(showId: ShowId, seq: number): void {
    if (seq < (this.#known.get(showId) ?? 0)) return;
    this.#known.set(showId, seq);
    dropOldest(this.#known, KNOWN_MAX);
  }

  moved(showId: ShowId, seq: number): void {
    this.found(showId, seq);
    this.#unwritten.set(showId, seq);
    dropOldest(this.#unwritten, UNWRITTEN_MAX);
  }

  forget(showId: ShowId): void {
    this.#known.delete(showId);
  }

  /** Rejects when the store does not take them: then they are written next time. */
  async write(): Promise<void> {
    const unwritten = [...this.#unwritten];
    for (let from = 0; from < unwritten.length; from += CURSORS_PER_STATEMENT_MAX) {
      const page = unwritten.slice(from, from + CURSORS_PER_STATEMENT_MAX);
      await this.#store.writeCursors(this.#sink, page);
      // What moved on meanwhile is still to be written.
      for (const [showId, seq] of page) if (this.#unwritten.get(showId) === seq) this.#unwritten.delete(showId);
    }
  }
}

function dropOldest(map: Map<ShowId, number>, max: number): void {
  if (map.size <= max) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
