// Entries of linked hash maps that end by themselves, in lines: one for each kind of deadline and TTL, so that the
// order of arrival is the order of deadlines and each head is the next of its line to go.
// D1: `nextAt()` is the earliest deadline.
// D2: an entry stands in at most one line.
// D3: at most LINES_PER_KIND_MAX live lines a kind; what would need one more joins the last, walked into its place.
//     The same walk orders the few whose deadline is not counted from now: an extension counts from the hold's
//     creation, a declined payment goes back to the deadline its hold had.

import type { Entry, Line } from "./linked-hash-map.ts";

const LINES_PER_KIND_MAX = 8;

export interface Due<Kind, Id> {
  readonly kind: Kind;
  readonly id: Id;
  readonly at: number;
}

export class DeadlineLines<Kind extends string, Id, Value> {
  // Few lines (one each, as a rule): a linear walk beats any index.
  #lines: Line<Id, Value>[] = [];
  // Kept, since every turn asks for it first: walking to each line's head would be a cache miss a step.
  #nextAt = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#lines.reduce((sum, line) => sum + line.size, 0);
  }

  /** Puts `entry` into the line of `kind` and `lineMs` to fall due at `at`; out of any other. Equal ones keep their order. */
  stand(kind: Kind, lineMs: number, entry: Entry<Id, Value>, at: number): void {
    this.leave(entry);
    const line = this.#lineFor(kind, lineMs);
    let before = line.tail;
    while (before !== undefined && before.at > at) before = before.previous;
    const after = before === undefined ? line.head : before.next;
    entry.line = line;
    entry.at = at;
    entry.previous = before;
    entry.next = after;
    if (before === undefined) line.head = entry;
    else before.next = entry;
    if (after === undefined) line.tail = entry;
    else after.previous = entry;
    line.size += 1;
    if (at < this.#nextAt) this.#nextAt = at;
  }

  leave(entry: Entry<Id, Value>): void {
    const { line, previous, next } = entry;
    if (line === undefined) return;
    if (previous === undefined) line.head = next;
    else previous.next = next;
    if (next === undefined) line.tail = previous;
    else next.previous = previous;
    line.size -= 1;
    entry.line = undefined;
    entry.previous = undefined;
    entry.next = undefined;
    if (entry.at <= this.#nextAt) this.#nextAt = this.#earliest()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** The earliest deadline, or `undefined` when nothing ends by itself. */
  next(): Due<Kind, Id> | undefined {
    const entry = this.#earliest();
    return entry?.line && { kind: entry.line.kind as Kind, id: entry.id, at: entry.at };
  }

  #earliest(): Entry<Id, Value> | undefined {
    let earliest: Entry<Id, Value> | undefined;
    for (const { head } of this.#lines) {
      if (head !== undefined && (earliest === undefined || head.at < earliest.at)) earliest = head;
    }
    return earliest;
  }

  /** The moment of `next()`, or `Infinity`: what every turn asks first. */
  nextAt(): number {
    return this.#nextAt;
  }

  /** Moves every deadline by the same time; the order stays. */
  moveAll(byMs: number): void {
    for (const { head } of this.#lines)
      for (let entry = head; entry !== undefined; entry = entry.next) entry.at += byMs;
    this.#nextAt += byMs;
  }

  /** Every deadline, line by line. */
  *all(): IterableIterator<Due<Kind, Id>> {
    for (const { kind, head } of this.#lines) {
      for (let entry = head; entry !== undefined; entry = entry.next) {
        yield { kind: kind as Kind, id: entry.id, at: entry.at };
      }
    }
  }

  #lineFor(kind: Kind, lineMs: number): Line<Id, Value> {
    for (const line of this.#lines) if (line.kind === kind && line.lineMs === lineMs) return line;
    // A line that emptied is kept for the next of its TTL, until one of another TTL comes: it would count for ever.
    this.#lines = this.#lines.filter((line) => line.kind !== kind || line.size > 0);
    const ofKind = this.#lines.filter((line) => line.kind === kind);
    const last = ofKind.at(-1);
    if (last !== undefined && ofKind.length >= LINES_PER_KIND_MAX) return last;
    const line: Line<Id, Value> = { kind, lineMs, size: 0, head: undefined, tail: undefined };
    this.#lines.push(line);
    return line;
  }
}
