// Chooses seats for a number of people: adjacent seats in one row, nearest the hall's focus, not leaving a single
// empty seat; when there is no such block, the fewest pieces in neighbouring rows.
// B1: only seats of the pool (free, of an accepted category, accessible ones only when asked for) are given.
// B2: a block is one window of one run; of two blocks the one that leaves no single seat wins, then the smaller cost.
// B3: a split has as few pieces as the pool allows, then spans as few rows as possible; of several such spans of rows,
//     each giving its longest lines, the cheapest.
// Who asks for accessible seats needs one: a block with an accessible seat goes before any without.
// Source: "Choosing seats" in the specification.

import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import type { Hall, Run } from "./hall.ts";

export interface Wish {
  readonly quantity: number;
  /** `undefined` accepts all. */
  readonly category: number | undefined;
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
  seats[seat] === SEAT_FREE &&
  (wish.category === undefined || hall.category[seat] === wish.category) &&
  (wish.accessible || hall.accessible[seat] === 0);

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

const ascending = (seats: number[]): number[] => seats.sort((a, b) => a - b);

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
    let open = 0;
    for (let i = 0; i < run.seats.length; i += 1) {
      open = inPool(hall, seats, wish, run.seats[i] as number) ? open + 1 : 0;
      if (open >= quantity) best = betterOf(hall, seats, { run, from: i + 1 - quantity, quantity, accessible }, best);
    }
  }
  return best;
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
  const place = pool
    .filter((seat) => hall.accessible[seat] === 1)
    .sort((a, b) => (hall.cost[a] as number) - (hall.cost[b] as number))[0];
  if (place === undefined) return undefined;
  const apart = (seat: number): number =>
    ((hall.x[seat] as number) - (hall.x[place] as number)) ** 2 +
    ((hall.y[seat] as number) - (hall.y[place] as number)) ** 2;
  const others = pool.filter((seat) => seat !== place).sort((a, b) => apart(a) - apart(b));
  return [place, ...others.slice(0, wish.quantity - 1)];
}

const lengthOf = (segment: Segment): number => segment.to - segment.from;

/** The longest first; of equal ones the nearer to the focus. */
function longestFirst(a: Segment, b: Segment): number {
  const cost = (s: Segment): number =>
    ((s.run.costSums[s.to] as number) - (s.run.costSums[s.from] as number)) / lengthOf(s);
  return lengthOf(b) - lengthOf(a) || cost(a) - cost(b);
}

/** How many of the (longest first) segments it takes to seat `quantity`; `undefined` when all are too few. */
function piecesFor(segments: readonly Segment[], quantity: number): number | undefined {
  let seated = 0;
  for (let i = 0; i < segments.length; i += 1) {
    seated += lengthOf(segments[i] as Segment);
    if (seated >= quantity) return i + 1;
  }
  return undefined;
}

function fewestPieces(
  hall: Hall,
  seats: Uint8Array,
  segments: readonly Segment[],
  quantity: number,
): number[] | undefined {
  const ordered = [...segments].sort(longestFirst);
  const pieces = piecesFor(ordered, quantity);
  if (pieces === undefined) return undefined;
  const ranks = [...new Set(ordered.map((segment) => segment.run.rank))].sort((a, b) => a - b);
  const last = ranks.at(-1) ?? 0;
  for (let span = 0; span <= last; span += 1) {
    let best: { seats: number[]; cost: number } | undefined;
    for (const first of ranks) {
      const near = ordered.filter(({ run }) => run.rank >= first && run.rank <= first + span).slice(0, pieces);
      if (near.length < pieces || piecesFor(near, quantity) === undefined) continue;
      const taken = takePieces(hall, seats, near, quantity);
      const cost = taken.reduce((sum, seat) => sum + (hall.cost[seat] as number), 0);
      if (best === undefined || cost < best.cost) best = { seats: taken, cost };
    }
    if (best !== undefined) return best.seats;
  }
  return undefined;
}

/** Whole segments but for the last, in which the best block of what is left is taken. */
function takePieces(hall: Hall, seats: Uint8Array, segments: readonly Segment[], quantity: number): number[] {
  const taken: number[] = [];
  for (const segment of segments) {
    const missing = quantity - taken.length;
    if (missing === 0) break;
    if (lengthOf(segment) <= missing) {
      taken.push(...segment.run.seats.slice(segment.from, segment.to));
      continue;
    }
    const { run, from, to } = segment;
    let best: Block | undefined;
    for (let at = from; at + missing <= to; at += 1) {
      best = betterOf(hall, seats, { run, from: at, quantity: missing, accessible: false }, best);
    }
    if (best !== undefined) taken.push(...run.seats.slice(best.from, best.from + missing));
  }
  return taken;
}
