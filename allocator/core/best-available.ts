// Chooses seats for a number of people: adjacent seats in one row, nearest the hall's focus, not leaving a single
// empty seat; when there is no such block, the fewest pieces in neighbouring rows.
// B1: only seats of the pool (free, of an accepted class) are given.
// B2: a block is one window of one run; of two blocks the one that leaves no single seat wins, then the smaller cost.
// B3: a split has as few pieces as the pool allows, then spans as few rows as possible; of several such spans of rows,
//     each giving its longest lines, the cheapest.
// Who asks for accessible seats needs one: a block with an accessible seat goes before any without.
// Source: "Choosing seats" in the specification.

import { assert } from "../../shared/kernel/assert.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { Hall, Run } from "./hall.ts";
import { hasClass } from "./seat-classes.ts";

export interface Wish {
  readonly quantity: number;
  /** The seat classes it may be given (seat-classes.ts). */
  readonly classes: number;
  readonly accessible: boolean;
  readonly contiguous: boolean;
}

/** A maximal line of pool seats within a run: `run.seats[from]` to `run.seats[to - 1]`. */
interface Segment {
  readonly run: Run;
  readonly from: number;
  readonly to: number;
}

/** A window: `run.seats[from]` and as many more as wished. */
interface Block {
  readonly run: Run;
  readonly from: number;
  readonly leavesSingle: boolean;
  readonly hasAccessible: boolean;
  readonly cost: number;
}

const inPool = (hall: Hall, seats: Uint8Array, wish: Wish, seat: number): boolean =>
  seats[seat] === SEAT_FREE && hasClass(wish.classes, hall.kind[seat] as number);

/**
 * The seats for a wish, in ascending order of their index, or `undefined` when the pool is too small or, for a
 * contiguous wish, has no block of that length. `seats` is the seat map, one status a seat; it is not changed.
 */
export function chooseSeats(hall: Hall, seats: Uint8Array, wish: Wish): number[] | undefined {
  const block = bestBlock(hall, seats, wish);
  if (wish.accessible && !wish.contiguous && block?.hasAccessible !== true) {
    const around = aroundAccessible(hall, segmentsOf(hall, seats, wish), wish);
    if (around !== undefined) return ascending(around);
  }
  if (block !== undefined) return ascending(block.run.seats.slice(block.from, block.from + wish.quantity));
  if (wish.contiguous) return undefined;
  const pieces = fewestPieces(hall, seats, segmentsOf(hall, seats, wish), wish.quantity);
  return pieces && ascending(pieces);
}

/** In place, by insertion: they are few, and nearly always in order. */
function ascending(seats: number[]): number[] {
  for (let i = 1; i < seats.length; i += 1) {
    const seat = seats[i] as number;
    let at = i;
    for (; at > 0 && (seats[at - 1] as number) > seat; at -= 1) seats[at] = seats[at - 1] as number;
    seats[at] = seat;
  }
  return seats;
}

function segmentsOf(hall: Hall, seats: Uint8Array, wish: Wish): Segment[] {
  const segments: Segment[] = [];
  for (const run of hall.runs) {
    let from = -1;
    for (let i = 0; i <= run.seats.length; i += 1) {
      const open = i < run.seats.length && inPool(hall, seats, wish, run.seats[i] as number);
      if (open && from < 0) from = i;
      else if (!open && from >= 0) {
        segments.push({ run, from, to: i });
        from = -1;
      }
    }
  }
  return segments;
}

/** Whether the free seats beside `run.seats[at]`, away from the block, number exactly one. */
function singleAt(seats: Uint8Array, run: Run, at: number, step: 1 | -1): boolean {
  const beside = run.seats[at];
  if (beside === undefined || seats[beside] !== SEAT_FREE) return false;
  const next = run.seats[at + step];
  return next === undefined || seats[next] !== SEAT_FREE;
}

function better(a: Block, b: Block, wantsAccessible: boolean): boolean {
  if (wantsAccessible && a.hasAccessible !== b.hasAccessible) return a.hasAccessible;
  if (a.leavesSingle !== b.leavesSingle) return b.leavesSingle;
  return a.cost < b.cost;
}

/** Nearest runs first: one whose cheapest seat is too dear ends the search, mostly after a few rows. */
function bestBlock(hall: Hall, seats: Uint8Array, wish: Wish): Block | undefined {
  const { quantity, accessible } = wish;
  let best: Block | undefined;
  for (const run of hall.runsByCost) {
    if (!accessible && best !== undefined && !best.leavesSingle && quantity * run.costMin >= best.cost) break;
    if (!accessible && run.classBits !== undefined) {
      best = bestByBits(seats, run, wish, best);
      continue;
    }
    let open = 0;
    for (let i = 0; i < run.seats.length; i += 1) {
      open = inPool(hall, seats, wish, run.seats[i] as number) ? open + 1 : 0;
      if (open >= quantity) best = betterOf(hall, seats, { run, from: i + 1 - quantity, quantity, accessible }, best);
    }
  }
  return best;
}

// One seat after the other cost a fifth of the core's time, most of it in branches that no processor can guess.

/** A bit for each seat of the run that is free: the sign of its status less one, without a branch to guess wrong. */
function freeBits(seats: Uint8Array, { seats: line }: Run): number {
  let bits = 0;
  for (let i = 0; i < line.length; i += 1) bits |= (((seats[line[i] as number] as number) - 1) >>> 31) << i;
  return bits;
}

/** A bit for each seat of the run that the wish accepts, were it free. */
function acceptedBits({ classBits = [] }: Run, { classes }: Wish): number {
  let bits = 0;
  for (let kind = 0; kind < classBits.length; kind += 1) {
    if (hasClass(classes, kind)) bits |= classBits[kind] as number;
  }
  return bits;
}

/** All windows of a run at once, for a wish that does not ask for accessible seats; what `betterOf` says of one after the other. */
function bestByBits(seats: Uint8Array, run: Run, wish: Wish, best: Block | undefined): Block | undefined {
  const { quantity } = wish;
  const accepted = acceptedBits(run, wish);
  if (accepted === 0 || quantity > run.seats.length) return best;
  const free = freeBits(seats, run);
  const pool = free & accepted;
  let starts = pool;
  for (let i = 1; i < quantity; i += 1) starts &= pool >>> i;
  if (starts === 0) return best;
  // Free, and what lies beyond is not: one seat would be left to the left of the window, or to its right.
  const left = (free << 1) & ~(free << 2);
  const right = (free >>> quantity) & ~(free >>> (quantity + 1));
  const good = starts & ~(left | right);
  const leavesSingle = good === 0;
  if (leavesSingle && best !== undefined && !best.leavesSingle) return best;
  let from = -1;
  let cost = best !== undefined && best.leavesSingle === leavesSingle ? best.cost : Number.POSITIVE_INFINITY;
  for (let windows = leavesSingle ? starts : good; windows !== 0; windows &= windows - 1) {
    const at = 31 - Math.clz32(windows & -windows);
    const costAt = (run.costSums[at + quantity] as number) - (run.costSums[at] as number);
    if (costAt >= cost) continue;
    from = at;
    cost = costAt;
  }
  return from < 0 ? best : { run, from, leavesSingle, hasAccessible: false, cost };
}

interface Window {
  readonly run: Run;
  readonly from: number;
  readonly quantity: number;
  /** Whether an accessible seat is asked for. */
  readonly accessible: boolean;
}

function betterOf(hall: Hall, seats: Uint8Array, window: Window, best: Block | undefined): Block {
  const { run, from, quantity, accessible } = window;
  const cost = (run.costSums[from + quantity] as number) - (run.costSums[from] as number);
  // Most windows lose by their cost to a block that already leaves no single seat: nothing more to look at.
  if (!accessible && best !== undefined && !best.leavesSingle && cost >= best.cost) return best;
  const leavesSingle = singleAt(seats, run, from - 1, -1) || singleAt(seats, run, from + quantity, 1);
  const hasAccessible = accessible && windowHasAccessible(hall, run, from, quantity);
  const block = { run, from, leavesSingle, hasAccessible, cost };
  return best === undefined || better(block, best, accessible) ? block : best;
}

function windowHasAccessible(hall: Hall, run: Run, at: number, length: number): boolean {
  for (let i = at; i < at + length; i += 1) if (hall.accessible[run.seats[i] as number] === 1) return true;
  return false;
}

/** An accessible seat that has no block around it, and the rest of the party as near to it as can be. */
function aroundAccessible(hall: Hall, segments: readonly Segment[], wish: Wish): number[] | undefined {
  const pool = segments.flatMap(({ run, from, to }) => run.seats.slice(from, to));
  if (pool.length < wish.quantity) return undefined;
  const accessible = pool.filter((seat) => hall.accessible[seat] === 1);
  const [place] = firstFew(accessible, 1, (a, b) => (hall.cost[a] as number) - (hall.cost[b] as number));
  if (place === undefined) return undefined;
  const apart = (seat: number): number =>
    ((hall.x[seat] as number) - (hall.x[place] as number)) ** 2 +
    ((hall.y[seat] as number) - (hall.y[place] as number)) ** 2;
  const others = pool.filter((seat) => seat !== place);
  return [place, ...firstFew(others, wish.quantity - 1, (a, b) => apart(a) - apart(b))];
}

/** What a stable sort would put first, `count` of them at most, in one pass: most items meet one comparison. */
function firstFew<T>(items: readonly T[], count: number, compare: (a: T, b: T) => number): T[] {
  const first: T[] = [];
  for (const item of items) {
    let at = first.length;
    if (at === count) {
      at -= 1;
      if (at < 0 || compare(item, first[at] as T) >= 0) continue;
    }
    for (; at > 0 && compare(item, first[at - 1] as T) < 0; at -= 1) first[at] = first[at - 1] as T;
    first[at] = item;
  }
  return first;
}

const lengthOf = (segment: Segment): number => segment.to - segment.from;
const rankOf = (segment: Segment | undefined): number => segment?.run.rank ?? Number.NaN;

const costOf = ({ run, from, to }: Segment): number => (run.costSums[to] as number) - (run.costSums[from] as number);

/** The longest first; of equal ones the nearer to the focus. */
const longestFirst = (a: Segment, b: Segment): number => lengthOf(b) - lengthOf(a) || costOf(a) - costOf(b);

/** How many segments of each length there are: enough to know what the longest of them seat. */
class LengthCounts {
  readonly #counts: Uint16Array;

  /** Whoever counts has no segment longer than `lengthMax`. */
  constructor(lengthMax: number) {
    this.#counts = new Uint16Array(lengthMax + 1);
  }

  change(segment: Segment, by: 1 | -1): void {
    const length = lengthOf(segment);
    this.#counts[length] = (this.#counts[length] as number) + by;
  }

  /** How many of the longest it takes to seat `quantity`; `undefined` when all are too few. */
  piecesFor(quantity: number): number | undefined {
    let missing = quantity;
    let pieces = 0;
    for (let length = this.#counts.length - 1; length > 0; length -= 1) {
      const needed = Math.min(this.#counts[length] as number, Math.ceil(missing / length));
      missing -= needed * length;
      pieces += needed;
      if (missing <= 0) return pieces;
    }
    return undefined;
  }

  seat(quantity: number, pieces: number): boolean {
    const needed = this.piecesFor(quantity);
    return needed !== undefined && needed <= pieces;
  }
}

/** Called when there is no block: every segment is shorter than `quantity`. They stand from front to back. */
function fewestPieces(
  hall: Hall,
  seats: Uint8Array,
  segments: readonly Segment[],
  quantity: number,
): number[] | undefined {
  const counts = new LengthCounts(quantity);
  for (const segment of segments) counts.change(segment, 1);
  const pieces = counts.piecesFor(quantity);
  if (pieces === undefined) return undefined;
  let best: { longest: Segment[]; last: Segment; cost: number } | undefined;
  for (const near of narrowestSpans(segments, quantity, pieces)) {
    const longest = firstFew(near, pieces, longestFirst);
    // There may be two thousand spans: what is too dear before its last piece is not looked at further.
    let whole = 0;
    for (let i = 0; i < pieces - 1; i += 1) whole += costOf(longest[i] as Segment);
    if (best !== undefined && whole >= best.cost) continue;
    const last = lastPiece(hall, seats, longest, quantity);
    const cost = whole + costOf(last);
    if (best === undefined || cost < best.cost) best = { longest, last, cost };
  }
  if (best === undefined) return undefined;
  return [...best.longest.slice(0, -1), best.last].flatMap(({ run, from, to }) => run.seats.slice(from, to));
}

/** Of the last of the pieces the best block of what is left: the others are taken whole, else fewer would do. */
function lastPiece(hall: Hall, seats: Uint8Array, longest: readonly Segment[], quantity: number): Segment {
  const { run, from, to } = longest.at(-1) as Segment;
  let missing = quantity;
  for (let i = 0; i < longest.length - 1; i += 1) missing -= lengthOf(longest[i] as Segment);
  if (to - from === missing) return { run, from, to };
  let best: Block | undefined;
  for (let at = from; at + missing <= to; at += 1) {
    best = betterOf(hall, seats, { run, from: at, quantity: missing, accessible: false }, best);
  }
  assert(best !== undefined, "the pieces seat everybody");
  return { run, from: best.from, to: best.from + missing };
}

/**
 * All segments of the spans of rows that seat `quantity` in `pieces`, of those spans that are narrowest: two pointers,
 * each of which passes every segment once. Spans overlap, but no segment is in more than `quantity + 1` of them: each of
 * these begins with a row that it cannot do without, so each seats at least one more than the next in its longest.
 */
function narrowestSpans(segments: readonly Segment[], quantity: number, pieces: number): Segment[][] {
  const inside = new LengthCounts(quantity);
  let spans: { from: number; to: number }[] = [];
  let narrowest = Number.POSITIVE_INFINITY;
  let to = 0;
  for (let from = 0; from < segments.length; from = countRow(segments, from, inside, -1)) {
    while (to < segments.length && !inside.seat(quantity, pieces)) to = countRow(segments, to, inside, 1);
    if (!inside.seat(quantity, pieces)) break;
    const span = rankOf(segments[to - 1]) - rankOf(segments[from]);
    if (span > narrowest) continue;
    if (span < narrowest) spans = [];
    narrowest = span;
    spans.push({ from, to });
  }
  return spans.map(({ from, to }) => segments.slice(from, to));
}

/** Counts in or out the segments of the row that begins at `from`, and answers where the next one begins. */
function countRow(segments: readonly Segment[], from: number, counts: LengthCounts, by: 1 | -1): number {
  const rank = rankOf(segments[from]);
  let at = from;
  for (; rankOf(segments[at]) === rank; at += 1) counts.change(segments[at] as Segment, by);
  return at;
}
