// Compiled halls by layout: read once, shared by every show in them.

import { compileHall, type Hall } from "../core/hall.ts";
import type { Journal } from "../journal/journal.ts";

const LAYOUTS_MAX = 5_000;

export class Halls {
  readonly #journal: Pick<Journal, "layout">;
  /** Oldest first. */
  readonly #halls = new Map<string, Promise<Hall>>();

  constructor(journal: Pick<Journal, "layout">) {
    this.#journal = journal;
  }

  /** Rejects when the store cannot be asked; then it is read again the next time. */
  find(layoutId: string): Promise<Hall> {
    const known = this.#halls.get(layoutId);
    if (known !== undefined) return known;
    const hall = this.#journal.layout(layoutId).then(compileHall);
    this.#halls.set(layoutId, hall);
    hall.catch(() => this.#halls.delete(layoutId));
    const oldest = this.#halls.keys().next().value;
    if (this.#halls.size > LAYOUTS_MAX && oldest !== undefined) this.#halls.delete(oldest);
    return hall;
  }
}
