// Deadlines by id, whatever an id is, for those that stand in no linked hash map or in lines of several kinds at once.
// What D1 to D3 say of entries (deadline-lines.ts) is true of a kind's ids here.

import { DeadlineLines, type Due } from "./deadline-lines.ts";
import { Entry } from "./linked-hash-map.ts";

export class Deadlines<Kind extends string, Id> {
  readonly #lines = new DeadlineLines<Kind, Id, undefined>();
  readonly #entries = new Map<Kind, Map<Id, Entry<Id, undefined>>>();

  get size(): number {
    return this.#lines.size;
  }

  /** Puts `id` into the line of `kind` and `lineMs` to fall due at `at`; out of any other line of that kind. */
  set(kind: Kind, lineMs: number, id: Id, at: number): void {
    let entries = this.#entries.get(kind);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(kind, entries);
    }
    let entry = entries.get(id);
    if (entry === undefined) {
      entry = new Entry(id, undefined);
      entries.set(id, entry);
    }
    this.#lines.stand(kind, lineMs, entry, at);
  }

  delete(kind: Kind, id: Id): void {
    const entries = this.#entries.get(kind);
    const entry = entries?.get(id);
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
