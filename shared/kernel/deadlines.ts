// Everything that ends by itself, in linked hash maps: one for each kind of deadline and TTL, so that
// insertion order is deadline order and each head is the next of its line to go.
// D1: `next()` is the earliest deadline.
// D2: an id stands in at most one line of a kind.
// D3: at most LINES_PER_KIND_MAX live lines a kind; what would need one more joins the last, walked into its place.
//     The same walk orders the few whose deadline is not counted from now: an extension counts from the hold's
//     creation, a declined payment goes back to the deadline its hold had.

import { LinkedHashMap } from "./linked-hash-map.ts";

const LINES_PER_KIND_MAX = 8;

interface Line<Kind, Id> {
  readonly kind: Kind;
  readonly lineMs: number;
  readonly entries: LinkedHashMap<Id>;
}

export class Deadlines<Kind extends string, Id> {
  // Few lines (one each, as a rule): a linear walk beats any index.
  #lines: Line<Kind, Id>[] = [];
  // Kept, since every turn asks for it first: walking to each line's head would be a cache miss a step.
  #nextAt = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#lines.reduce((sum, line) => sum + line.entries.size, 0);
  }

  /** Puts `id` into the line of `kind` and `lineMs` to fall due at `at`; out of any other line of that kind. */
  set(kind: Kind, lineMs: number, id: Id, at: number): void {
    const line = this.#lineFor(kind, lineMs);
    let before = line.entries.set(id, at);
    for (const other of this.#lines) if (other.kind === kind && other !== line) before ??= other.entries.delete(id);
    this.#passed(before);
    if (at < this.#nextAt) this.#nextAt = at;
  }

  delete(kind: Kind, id: Id): void {
    let before: number | undefined;
    for (const line of this.#lines) if (line.kind === kind) before ??= line.entries.delete(id);
    this.#passed(before);
  }

  /** Something that was due at `at` is no longer: was it the next? */
  #passed(at: number | undefined): void {
    if (at !== undefined && at <= this.#nextAt) this.#nextAt = this.next()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** The earliest deadline, or `undefined` when nothing ends by itself. */
  next(): { readonly kind: Kind; readonly id: Id; readonly at: number } | undefined {
    let earliest: { kind: Kind; id: Id; at: number } | undefined;
    for (const line of this.#lines) {
      const head = line.entries.head();
      if (head !== undefined && (earliest === undefined || head.rank < earliest.at)) {
        earliest = { kind: line.kind, id: head.key, at: head.rank };
      }
    }
    return earliest;
  }

  /** The moment of `next()`, or `Infinity`: what every turn asks first. */
  nextAt(): number {
    return this.#nextAt;
  }

  /** Moves every deadline by the same time; the order stays. */
  moveAll(byMs: number): void {
    for (const line of this.#lines) line.entries.shift(byMs);
    this.#nextAt += byMs;
  }

  /** Every entry, in no particular order: for the checking of invariants. */
  *all(): IterableIterator<{ readonly kind: Kind; readonly id: Id; readonly at: number }> {
    for (const { kind, entries } of this.#lines) for (const [id, at] of entries) yield { kind, id, at };
  }

  #lineFor(kind: Kind, lineMs: number): Line<Kind, Id> {
    for (const line of this.#lines) if (line.kind === kind && line.lineMs === lineMs) return line;
    // A line that emptied is kept for the next of its TTL, until one of another TTL comes: it would count for ever.
    this.#lines = this.#lines.filter((line) => line.kind !== kind || line.entries.size > 0);
    const ofKind = this.#lines.filter((line) => line.kind === kind);
    const last = ofKind.at(-1);
    if (last !== undefined && ofKind.length >= LINES_PER_KIND_MAX) return last;
    const line = { kind, lineMs, entries: new LinkedHashMap<Id>() };
    this.#lines.push(line);
    return line;
  }
}
