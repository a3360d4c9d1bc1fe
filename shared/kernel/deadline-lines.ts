// Rows of a linked hash map that end by themselves, in lines: one for each kind of deadline and TTL, so that the order
// of arrival is the order of deadlines and each head is the next of its line to go.
// D1: `nextAt()` is the earliest deadline.
// D2: a row stands in at most one line.
// D3: at most LINES_PER_KIND_MAX live lines a kind; what would need one more joins the last, walked into its place.
//     The same walk orders the few whose deadline is not counted from now: an extension counts from the hold's
//     creation, a declined payment goes back to the deadline its hold had.
// D4: a row's deadline is counted from `#base`, near enough that it is a small integer and lies in the row itself; as a
//     number of its own elsewhere it would be one more wait for memory. The lines are one table too.

import { AFTER, AT, BEFORE, ID, LINE, NONE, type Rows } from "./linked-hash-map.ts";

const LINES_PER_KIND_MAX = 8;

// The columns of the table of lines.
const LINE_LENGTH = 5;
const KIND = 0;
const LINE_MS = 1;
const SIZE = 2;
const HEAD = 3;
const TAIL = 4;

export interface Due<Kind, Id> {
  readonly kind: Kind;
  readonly id: Id;
  readonly at: number;
}

export class DeadlineLines<Kind extends string, Id> {
  readonly #rows: Rows;
  // Few lines (one each, as a rule): a linear walk beats any index.
  readonly #lines: (Kind | number)[] = [];
  // Kept, since every turn asks for it first.
  #nextAt = Number.POSITIVE_INFINITY;
  #base = Number.NaN;

  /** `rows` are a linked hash map's, the same array for ever. */
  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get size(): number {
    let size = 0;
    for (let line = 0; line < this.#lines.length; line += LINE_LENGTH) size += this.#lines[line + SIZE] as number;
    return size;
  }

  /** Puts `row` into the line of `kind` and `lineMs` to fall due at `at`; out of any other. Equal ones keep their order. */
  stand(kind: Kind, lineMs: number, row: number, at: number): void {
    this.leave(row);
    // Nobody stands anywhere: a good moment to count anew.
    if (this.#nextAt === Number.POSITIVE_INFINITY) this.#base = at;
    const rows = this.#rows;
    const lines = this.#lines;
    const line = this.#lineFor(kind, lineMs);
    const due = at - this.#base;
    let before = lines[line + TAIL] as number;
    while (before !== NONE && (rows[before + AT] as number) > due) before = rows[before + BEFORE] as number;
    const after = (before === NONE ? lines[line + HEAD] : rows[before + AFTER]) as number;
    rows[row + LINE] = line;
    rows[row + AT] = due;
    rows[row + BEFORE] = before;
    rows[row + AFTER] = after;
    lines[line + SIZE] = (lines[line + SIZE] as number) + 1;
    if (before === NONE) lines[line + HEAD] = row;
    else rows[before + AFTER] = row;
    if (after === NONE) lines[line + TAIL] = row;
    else rows[after + BEFORE] = row;
    if (at < this.#nextAt) this.#nextAt = at;
  }

  leave(row: number): void {
    const rows = this.#rows;
    const lines = this.#lines;
    const line = rows[row + LINE] as number;
    if (line === NONE) return;
    const before = rows[row + BEFORE] as number;
    const after = rows[row + AFTER] as number;
    if (before === NONE) lines[line + HEAD] = after;
    else rows[before + AFTER] = after;
    if (after === NONE) lines[line + TAIL] = before;
    else rows[after + BEFORE] = before;
    lines[line + SIZE] = (lines[line + SIZE] as number) - 1;
    rows[row + LINE] = NONE;
    if ((rows[row + AT] as number) + this.#base <= this.#nextAt) this.#nextAt = this.#atOf(this.#earliest());
  }

  /** The earliest deadline, or `undefined` when nothing ends by itself. */
  next(): Due<Kind, Id> | undefined {
    const row = this.#earliest();
    return row === NONE ? undefined : this.#due(row);
  }

  /** The moment of `next()`, or `Infinity`: what every turn asks first. */
  nextAt(): number {
    return this.#nextAt;
  }

  /** Moves every deadline by the same time; the order stays. */
  moveAll(byMs: number): void {
    this.#base += byMs;
    this.#nextAt += byMs;
  }

  /** Every deadline, line by line. */
  *all(): IterableIterator<Due<Kind, Id>> {
    for (let line = 0; line < this.#lines.length; line += LINE_LENGTH) {
      for (let row = this.#lines[line + HEAD] as number; row !== NONE; row = this.#rows[row + AFTER] as number) {
        yield this.#due(row);
      }
    }
  }

  #earliest(): number {
    const rows = this.#rows;
    const lines = this.#lines;
    let earliest = NONE;
    for (let line = 0; line < lines.length; line += LINE_LENGTH) {
      const head = lines[line + HEAD] as number;
      if (head === NONE) continue;
      if (earliest === NONE || (rows[head + AT] as number) < (rows[earliest + AT] as number)) earliest = head;
    }
    return earliest;
  }

  #atOf(row: number): number {
    return row === NONE ? Number.POSITIVE_INFINITY : (this.#rows[row + AT] as number) + this.#base;
  }

  #due(row: number): Due<Kind, Id> {
    const rows = this.#rows;
    const kind = this.#lines[(rows[row + LINE] as number) + KIND] as Kind;
    return { kind, id: rows[row + ID] as Id, at: this.#atOf(row) };
  }

  #lineFor(kind: Kind, lineMs: number): number {
    const lines = this.#lines;
    let ofKind = 0;
    let last = NONE;
    let empty = NONE;
    for (let line = 0; line < lines.length; line += LINE_LENGTH) {
      if (lines[line + KIND] !== kind) continue;
      if (lines[line + LINE_MS] === lineMs) return line;
      if (lines[line + SIZE] === 0) empty = line;
      ofKind += 1;
      last = line;
    }
    // A line that emptied is kept for the next of its TTL, until one of another TTL comes: it would count for ever.
    if (empty !== NONE) {
      lines[empty + LINE_MS] = lineMs;
      return empty;
    }
    if (ofKind >= LINES_PER_KIND_MAX) return last;
    lines.push(kind, lineMs, 0, NONE, NONE);
    return lines.length - LINE_LENGTH;
  }
}
