// Deadlines by id, for those whose ids stand in no linked hash map of their own, or in lines of several kinds at once.
// What D1 to D3 say of entries (deadline-lines.ts) is true of a kind's ids here.

import { DeadlineLines, type Due } from "./deadline-lines.ts";
import { LinkedHashMap } from "./linked-hash-map.ts";

export class Deadlines<Kind extends string, Id extends string> {
  readonly #lines = new DeadlineLines<Kind, Id, undefined>();
  readonly #entries = new Map<Kind, LinkedHashMap<Id, undefined>>();

  get size(): number {
    return this.#lines.size;
  }

  /** Puts `id` into the line of `kind` and `lineMs` to fall due at `at`; out of any other line of that kind. */
  set(kind: Kind, lineMs: number, id: Id, at: number): void {
    let entries = this.#entries.get(kind);
    if (entries === undefined) {
      entries = new LinkedHashMap();
      this.#entries.set(kind, entries);
    }
    this.#lines.stand(kind, lineMs, entries.entryOf(id) ?? entries.set(id, undefined), at);
  }

  delete(kind: Kind, id: Id): void {
    const entries = this.#entries.get(kind);
    const entry = entries?.entryOf(id);
    if (entries === undefined || entry === undefined) return;
    this.#lines.leave(entry);
    entries.delete(id);
  }

  /** The earliest deadline, or `undefined` when nothing ends by itself. */
  next(): Due<Kind, Id> | undefined {
    return this.#lines.next();
  }

  /** The moment of `next()`, or `Infinity`: what every turn asks first. */
  nextAt(): number {
    return this.#lines.nextAt();
  }

  /** Moves every deadline by the same time; the order stays. */
  moveAll(byMs: number): void {
    this.#lines.moveAll(byMs);
  }

  /** Every deadline, line by line. */
  all(): IterableIterator<Due<Kind, Id>> {
    return this.#lines.all();
  }
}
