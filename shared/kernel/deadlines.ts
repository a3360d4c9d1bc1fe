// Deadlines by id, whatever an id is, for those that stand in no linked hash map or in lines of several kinds at once.
// What D1 to D3 say of entries (deadline-lines.ts) is true of a kind's ids here.

import { DeadlineLines, type Due } from "./deadline-lines.ts";
import { addRows, ID, ROW_LENGTH, type Rows } from "./linked-hash-map.ts";

export class Deadlines<Kind extends string, Id> {
  readonly #rows: Rows = [];
  readonly #unused: number[] = [];
  readonly #lines = new DeadlineLines<Kind, Id>(this.#rows);
  readonly #rowsOf = new Map<Kind, Map<Id, number>>();

  get size(): number {
    return this.#lines.size;
  }

  /** Puts `id` into the line of `kind` and `lineMs` to fall due at `at`; out of any other line of that kind. */
  set(kind: Kind, lineMs: number, id: Id, at: number): void {
    let ofKind = this.#rowsOf.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      this.#rowsOf.set(kind, ofKind);
    }
    let row = ofKind.get(id);
    if (row === undefined) {
      row = this.#unused.pop() ?? this.#addRow();
      this.#rows[row + ID] = id;
      ofKind.set(id, row);
    }
    this.#lines.stand(kind, lineMs, row, at);
  }

  delete(kind: Kind, id: Id): void {
    const ofKind = this.#rowsOf.get(kind);
    const row = ofKind?.get(id);
    if (ofKind === undefined || row === undefined) return;
    this.#lines.leave(row);
    this.#rows[row + ID] = undefined;
    this.#unused.push(row);
    ofKind.delete(id);
  }

  #addRow(): number {
    addRows(this.#rows, 1);
    return this.#rows.length - ROW_LENGTH;
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
