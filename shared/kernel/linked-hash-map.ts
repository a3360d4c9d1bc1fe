// A hash map by id whose entries can also stand in a line, linked to their neighbours: O(1) find, append, remove
// anywhere. The hash part is here, the lines are in deadline-lines.ts.
// The seed's structure for active reservations: with one TTL a line, the head is always the next to go.
// Own code and not `Map`: most shows have a handful of live bookings, and a `Map` is rebuilt every few turns while it
// grows from nothing and shrinks again. (Maps of bookings, operations, sessions, and of deadlines another: with this
// one instead, the core does a quarter more turns over 1,000 shows.)
// M1: open addressing, at most 3 of 4 slots taken. A slot is two neighbours of one array: hash and entry. What comes
//     after a deleted one moves up, so that there are no tombstones.
// M2: ids are random to their last characters (K1), so these are the hash; those that are not cost a longer walk only.
// M3: an entry is the same object from `set` to `delete`, so that its neighbours in line can point to it.

/** What the map has of an id. Its place in a line is written by `DeadlineLines` alone. */
export class Entry<Id, Value> {
  readonly id: Id;
  value: Value;
  /** Absent while it stands in none. */
  line: Line<Id, Value> | undefined = undefined;
  at = Number.NaN;
  previous: Entry<Id, Value> | undefined = undefined;
  next: Entry<Id, Value> | undefined = undefined;

  constructor(id: Id, value: Value) {
    this.id = id;
    this.value = value;
  }
}

/** Entries in the order of their `at`. */
export interface Line<Id, Value> {
  readonly kind: string;
  readonly lineMs: number;
  size: number;
  head: Entry<Id, Value> | undefined;
  tail: Entry<Id, Value> | undefined;
}

const SLOTS_MIN = 8;
/** 20 bits or more of an id; every character costs, and a turn looks five times. */
const HASHED_CHARACTERS = 4;
const EMPTY = -1;

/** 30 bits. */
function hashOf(id: string): number {
  let hash = id.length;
  for (let i = Math.max(0, id.length - HASHED_CHARACTERS); i < id.length; i += 1) {
    hash = Math.imul(hash, 0x9e3779b1) + id.charCodeAt(i);
  }
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}

type Slots<Entry> = (number | Entry | undefined)[];

function emptySlots<Entry>(slotCount: number): Slots<Entry> {
  const slots: Slots<Entry> = new Array(2 * slotCount).fill(undefined);
  for (let slot = 0; slot < slots.length; slot += 2) slots[slot] = EMPTY;
  return slots;
}

export class LinkedHashMap<Id extends string, Value> {
  #slots: Slots<Entry<Id, Value>> = emptySlots(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  entryOf(id: Id): Entry<Id, Value> | undefined {
    return this.#slots[this.#slotOf(id, hashOf(id)) + 1] as Entry<Id, Value> | undefined;
  }

  get(id: Id): Value | undefined {
    return this.entryOf(id)?.value;
  }

  has(id: Id): boolean {
    return this.entryOf(id) !== undefined;
  }

  set(id: Id, value: Value): Entry<Id, Value> {
    const hash = hashOf(id);
    const slot = this.#slotOf(id, hash);
    const found = this.#slots[slot + 1] as Entry<Id, Value> | undefined;
    if (found !== undefined) {
      found.value = value;
      return found;
    }
    const entry = new Entry(id, value);
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = entry;
    this.#size += 1;
    if (this.#size * 8 > this.#slots.length * 3) this.#grow();
    return entry;
  }

  /** The caller has taken it out of its line. */
  delete(id: Id): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = this.#slotOf(id, hashOf(id));
    if (slots[gap] === EMPTY) return false;
    this.#size -= 1;
    for (let slot = (gap + 2) & mask; slots[slot] !== EMPTY; slot = (slot + 2) & mask) {
      // What is found by walking over the gap moves into it.
      const home = ((slots[slot] as number) * 2) & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap] = slots[slot];
      slots[gap + 1] = slots[slot + 1];
      gap = slot;
    }
    slots[gap] = EMPTY;
    slots[gap + 1] = undefined;
    return true;
  }

  clear(): void {
    this.#slots = emptySlots(SLOTS_MIN);
    this.#size = 0;
  }

  /** A copy, in no particular order. */
  values(): Value[] {
    return Array.from(this, ([, value]) => value);
  }

  *[Symbol.iterator](): IterableIterator<readonly [id: Id, value: Value]> {
    for (const entry of this.#slots.slice()) if (entry instanceof Entry) yield [entry.id, entry.value];
  }

  /** Where the id is, or the empty slot where it would be. There is always one. */
  #slotOf(id: Id, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash * 2) & mask;
    for (let found = slots[slot]; found !== EMPTY; found = slots[slot]) {
      if (found === hash && (slots[slot + 1] as Entry<Id, Value>).id === id) break;
      slot = (slot + 2) & mask;
    }
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = emptySlots<Entry<Id, Value>>(old.length);
    const mask = slots.length - 1;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === EMPTY) continue;
      let slot = ((old[from] as number) * 2) & mask;
      while (slots[slot] !== EMPTY) slot = (slot + 2) & mask;
      slots[slot] = old[from];
      slots[slot + 1] = old[from + 1];
    }
    this.#slots = slots;
  }
}
