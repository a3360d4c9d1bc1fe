// A hall's layout, compiled once for all its shows: what the choosing of seats needs to know, in flat arrays.
// H1: a run is a maximal line of adjacent seats of one row; an aisle (a gap of half a seat or more) ends it.
// H2: every seat stands in exactly one run, and `left`/`right` never cross a run's end.
// Costs are squared distances to the focus point: the smaller the sum, the better the block.

import { assert, fail } from "../../shared/kernel/assert.ts";
import { categoriesOf, type Layout, type LayoutSeat } from "../../shared/protocol/layout.ts";

/** An aisle is at least this many times the usual distance between neighbours. */
const AISLE_PITCHES = 1.5;
/** Rows whose mean y differs by less than this share of the pitch stand beside one another, not behind. */
const SAME_RANK_PITCHES = 0.5;

export interface Run {
  /** Seat indices, left to right. */
  readonly seats: readonly number[];
  /** Which row from the front, counted over the whole hall: neighbouring rows differ by one. */
  readonly rank: number;
  /** `costSums[i]` = cost of the first i seats, so that any window's cost is one subtraction. */
  readonly costSums: readonly number[];
  /** Of its cheapest seat. */
  readonly costMin: number;
  /** By seat class, a bit for each of its seats; absent where the run has more seats than bits. */
  readonly classBits: readonly number[] | undefined;
}

/** Nearly every run is shorter: the seats of a longer one are looked at one by one. */
const RUN_BITS_MAX = 31;

export interface Hall {
  readonly layoutId: string;
  readonly seatCount: number;
  readonly categories: readonly string[];
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Category index by seat. */
  readonly category: Uint8Array;
  /** 1 where the seat is accessible. */
  readonly accessible: Uint8Array;
  /** Its class (seat-classes.ts) by seat. */
  readonly kind: Uint8Array;
  readonly cost: Float64Array;
  /** From front to back: their ranks never go down. */
  readonly runs: readonly Run[];
  /** The same, those with the cheapest seat first. */
  readonly runsByCost: readonly Run[];
  /** The neighbour's seat index, −1 at the end of a run. */
  readonly left: Int16Array;
  readonly right: Int16Array;
}

const distance = (a: LayoutSeat, b: LayoutSeat): number => Math.hypot(a.x - b.x, a.y - b.y);

function rowsOf(layout: Layout): LayoutSeat[][] {
  const rows = new Map<string, LayoutSeat[]>();
  for (const seat of layout.seats) {
    const key = `${seat.section}\u0000${seat.row}`;
    const row = rows.get(key);
    if (row === undefined) rows.set(key, [seat]);
    else row.push(seat);
  }
  for (const row of rows.values()) row.sort((a, b) => a.x - b.x || a.y - b.y || a.index - b.index);
  return [...rows.values()];
}

function pitchOf(rows: readonly LayoutSeat[][]): number {
  const gaps = rows.flatMap((row) => row.slice(1).map((seat, i) => distance(row[i] as LayoutSeat, seat)));
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? 1;
}

function splitAtAisles(row: readonly LayoutSeat[], pitch: number): LayoutSeat[][] {
  const runs: LayoutSeat[][] = [];
  let previous: LayoutSeat | undefined;
  for (const seat of row) {
    const run = runs.at(-1);
    if (run === undefined || previous === undefined || distance(previous, seat) >= AISLE_PITCHES * pitch)
      runs.push([seat]);
    else run.push(seat);
    previous = seat;
  }
  return runs;
}

function rankRows(rows: readonly LayoutSeat[][], pitch: number): { row: readonly LayoutSeat[]; rank: number }[] {
  const placed = rows
    .map((row) => ({ row, y: row.reduce((sum, seat) => sum + seat.y, 0) / row.length }))
    .sort((a, b) => a.y - b.y);
  let rank = -1;
  let rankY = Number.NEGATIVE_INFINITY;
  return placed.map(({ row, y }) => {
    if (y - rankY >= SAME_RANK_PITCHES * pitch) {
      rank += 1;
      rankY = y;
    }
    return { row, rank };
  });
}

function compileRun(
  seats: readonly LayoutSeat[],
  rank: number,
  cost: Float64Array,
  categories: readonly string[],
): Run {
  const costSums = [0];
  for (const seat of seats) costSums.push((costSums.at(-1) ?? 0) + (cost[seat.index] ?? 0));
  const costMin = Math.min(...seats.map((seat) => cost[seat.index] as number));
  return { seats: seats.map((seat) => seat.index), rank, costSums, costMin, classBits: classBits(seats, categories) };
}

function classBits(seats: readonly LayoutSeat[], categories: readonly string[]): number[] | undefined {
  if (seats.length > RUN_BITS_MAX) return undefined;
  const bits: number[] = new Array(2 * categories.length).fill(0);
  for (const [i, seat] of seats.entries()) {
    const kind = 2 * categories.indexOf(seat.category) + (seat.accessible ? 1 : 0);
    bits[kind] = (bits[kind] as number) | (1 << i);
  }
  return bits;
}

/** `layout` must be valid: dense indices, unique labels, 1–2,000 seats (the catalogue checks it on import). */
export function compileHall(layout: Layout): Hall {
  const seatCount = layout.seats.length;
  assert(
    layout.seats.every((seat, i) => seat.index === i),
    `layout ${layout.layout_id}: seat indices are not dense`,
  );
  const categories = categoriesOf(layout);
  const cost = Float64Array.from(
    layout.seats,
    (seat) => (seat.x - layout.focus.x) ** 2 + (seat.y - layout.focus.y) ** 2,
  );
  const rows = rowsOf(layout);
  const pitch = pitchOf(rows);
  const runs = rankRows(rows, pitch).flatMap(({ row, rank }) =>
    splitAtAisles(row, pitch).map((run) => compileRun(run, rank, cost, categories)),
  );
  const left = new Int16Array(seatCount).fill(-1);
  const right = new Int16Array(seatCount).fill(-1);
  for (const { seats } of runs) {
    for (let i = 1; i < seats.length; i += 1) {
      left[seats[i] as number] = seats[i - 1] as number;
      right[seats[i - 1] as number] = seats[i] as number;
    }
  }
  return {
    layoutId: layout.layout_id,
    seatCount,
    categories,
    x: Float64Array.from(layout.seats, (seat) => seat.x),
    y: Float64Array.from(layout.seats, (seat) => seat.y),
    category: Uint8Array.from(layout.seats, (seat) => categories.indexOf(seat.category)),
    accessible: Uint8Array.from(layout.seats, (seat) => (seat.accessible ? 1 : 0)),
    kind: Uint8Array.from(layout.seats, (seat) => 2 * categories.indexOf(seat.category) + (seat.accessible ? 1 : 0)),
    cost,
    runs,
    runsByCost: runs.toSorted((a, b) => a.costMin - b.costMin),
    left,
    right,
  };
}

/** What the gateway refuses by field is here a caller's bug: seats that are not in the hall, or one named twice. */
export function assertSeats(hall: Hall, seats: readonly number[]): void {
  for (let i = 0; i < seats.length; i += 1) {
    const seat = seats[i] as number;
    if (!Number.isInteger(seat) || seat < 0 || seat >= hall.seatCount) fail(`seat ${seat} is not in the hall`);
    if (seats.indexOf(seat) !== i) fail(`seat ${seat} is named twice`);
  }
}
