// A hash map by id whose entries can also stand in a line, linked to their neighbours: O(1) find, append, remove
// anywhere. The hash part is here, the lines are in deadline-lines.ts.
// The seed's structure for active reservations: with one TTL a line, the head is always the next to go.
// Own code and not `Map`: most shows have a handful of live bookings, and a `Map` is rebuilt every few turns while it
// grows from nothing and shrinks again.
// M1: all of it is one array of rows, so that a look-up in a show that was not asked for a while waits for memory once
//     or twice and not once for every link. (An object an entry, and one a line, was a third of the time over 10,000.)
// M2: a row is known by where it begins, and an entry has the same one from `set` to `delete`: its neighbours in line
//     and in its bucket are named by their rows. Bucket n begins in row n, and what is in it stands there too where the
//     row is not taken: one line of the processor's cache has it all. At most 3 of 4 rows are in use.
// M3: ids are random to their last characters (K1), so these are the hash; those that are not cost a longer walk only.

/** Rows of ROW_LENGTH columns, one after the other. */
export type Rows = unknown[];
export const ROW_LENGTH = 9;

// The columns. The last four are written by `DeadlineLines` alone.
/** First row of the bucket that begins here; nothing to do with what else is in this row. */
const BUCKET = 0;
/** Next row of the same bucket. */
const CHAIN = 1;
/** NONE in a row that is in use by nobody. */
const HASH = 2;
export const ID = 3;
const VALUE = 4;
/** Where its line begins in the table of lines; NONE while it stands in none. */
export const LINE = 5;
export const AT = 6;
export const BEFORE = 7;
export const AFTER = 8;

/** No row, no line. */
export const NONE = -1;

const ROWS_MIN = 4;
/** 20 bits or more of an id; every character costs, and a turn looks five times. */
const HASHED_CHARACTERS = 4;

/** 30 bits. */
function hashOf(id: string): number {
  let hash = id.length;
  for (let i = Math.max(0, id.length - HASHED_CHARACTERS); i < id.length; i += 1) {
    hash = Math.imul(hash, 0x9e3779b1) + id.charCodeAt(i);
  }
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}

/** Adds rows at the end, in use by nobody: the array is the same one, and lies where it lay beside its owner. */
export function addRows(rows: Rows, count: number): void {
  const from = rows.length;
  rows.length = from + count * ROW_LENGTH;
  for (let row = from; row < rows.length; row += ROW_LENGTH) {
    rows[row + BUCKET] = NONE;
    rows[row + CHAIN] = NONE;
    rows[row + HASH] = NONE;
    rows[row + ID] = undefined;
    rows[row + VALUE] = undefined;
    rows[row + LINE] = NONE;
    rows[row + AT] = 0;
    rows[row + BEFORE] = NONE;
    rows[row + AFTER] = NONE;
  }
}

export class LinkedHashMap<Id extends string, Value> {
  /** For `DeadlineLines`; empty until the first entry comes. */
  readonly rows: Rows = [];
  #size = 0;
  /** One less than the rows there are, a power of two. */
  #mask = -1;

  get size(): number {
    return this.#size;
  }

  /** The row of an entry, or NONE. */
  rowOf(id: Id): number {
    return this.#size === 0 ? NONE : this.#find(id, hashOf(id));
  }

  get(id: Id): Value | undefined {
    const row = this.rowOf(id);
    return row === NONE ? undefined : (this.rows[row + VALUE] as Value);
  }

  has(id: Id): boolean {
    return this.rowOf(id) !== NONE;
  }

  /** Answers the entry's row. */
  set(id: Id, value: Value): number {
    const hash = hashOf(id);
    const found = this.#size === 0 ? NONE : this.#find(id, hash);
    if (found !== NONE) {
      this.rows[found + VALUE] = value;
      return found;
    }
    if (this.#size * 4 >= (this.#mask + 1) * 3) this.#grow();
    const rows = this.rows;
    const row = this.#unusedRow(hash);
    this.#size += 1;
    rows[row + HASH] = hash;
    rows[row + ID] = id;
    rows[row + VALUE] = value;
    this.#chain(row, hash);
    return row;
  }

  /** The caller has taken it out of its line. */
  delete(id: Id): boolean {
    const row = this.rowOf(id);
    if (row === NONE) return false;
    const rows = this.rows;
    let link = ((rows[row + HASH] as number) & this.#mask) * ROW_LENGTH + BUCKET;
    while (rows[link] !== row) link = (rows[link] as number) + CHAIN;
    rows[link] = rows[row + CHAIN];
    rows[row + HASH] = NONE;
    rows[row + ID] = undefined;
    rows[row + VALUE] = undefined;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.rows.length = 0;
    this.#size = 0;
    this.#mask = -1;
  }

  /** A copy, in no particular order. */
  values(): Value[] {
    return Array.from(this, ([, value]) => value);
  }

  *[Symbol.iterator](): IterableIterator<readonly [id: Id, value: Value]> {
    const rows = this.rows.slice();
    for (let row = 0; row < rows.length; row += ROW_LENGTH) {
      if (rows[row + HASH] !== NONE) yield [rows[row + ID] as Id, rows[row + VALUE] as Value];
    }
  }

  #find(id: Id, hash: number): number {
    const rows = this.rows;
    let row = rows[(hash & this.#mask) * ROW_LENGTH + BUCKET] as number;
    while (row !== NONE && (rows[row + HASH] !== hash || rows[row + ID] !== id)) row = rows[row + CHAIN] as number;
    return row;
  }

  /** The bucket's own row if it may be (M2), else the next that is in use by nobody. There is always one. */
  #unusedRow(hash: number): number {
    const rows = this.rows;
    let index = hash & this.#mask;
    while (rows[index * ROW_LENGTH + HASH] !== NONE) index = (index + 1) & this.#mask;
    return index * ROW_LENGTH;
  }

  #chain(row: number, hash: number): void {
    const bucket = (hash & this.#mask) * ROW_LENGTH + BUCKET;
    this.rows[row + CHAIN] = this.rows[bucket];
    this.rows[bucket] = row;
  }

  /** Twice the rows and buckets; the rows there were stay where they are. */
  #grow(): void {
    const rows = this.rows;
    const before = rows.length;
    addRows(rows, before === 0 ? ROWS_MIN : before / ROW_LENGTH);
    this.#mask = rows.length / ROW_LENGTH - 1;
    for (let row = 0; row < before; row += ROW_LENGTH) rows[row + BUCKET] = NONE;
    for (let row = 0; row < before; row += ROW_LENGTH) {
      if (rows[row + HASH] !== NONE) this.#chain(row, rows[row + HASH] as number);
    }
  }
}
