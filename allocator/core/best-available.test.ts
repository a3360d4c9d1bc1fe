// The choosing of seats against a search of everything that could be chosen, written from the specification: windows
// and subsets are enumerated from the layout's coordinates, nothing of the hall's compiled form is used.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { drawnHall, drawnSeats } from "../../test/core/drawn-hall.ts";
import { holds } from "../../test/core/property.ts";
import { besideOf, type HallAndSeats, hallAndSeats, subsets, windowsOf } from "../../test/core/random-hall.ts";
import { chooseSeats } from "./best-available.ts";
import type { Hall, Run } from "./hall.ts";
import { poolOf as classesOf } from "./seat-classes.ts";

/** As a lock asks for seats. */
interface Wanted {
  readonly quantity: number;
  /** `undefined` accepts all. */
  readonly category: number | undefined;
  readonly accessible: boolean;
  readonly contiguous: boolean;
}

const choose = (hall: Hall, seats: Uint8Array, { category, ...wanted }: Wanted): number[] | undefined =>
  chooseSeats(hall, seats, { ...wanted, classes: classesOf(category, wanted.accessible) });

const wish = (quantity: number, more: Partial<Wanted> = {}): Wanted => ({
  quantity,
  category: undefined,
  accessible: false,
  contiguous: false,
  ...more,
});

t.test("examples", async (t) => {
  const empty = drawnHall("aaaaaa", "aaaaaa", "aaaaaa");
  const free = drawnSeats("......", "......", "......");
  t.same(choose(empty, free, wish(2)), [8, 9], "nearest the focus");
  t.same(choose(empty, drawnSeats("......", ".hhhh.", "......"), wish(2)), [2, 3], "in one row");
  t.same(
    choose(drawnHall("aaaaaa"), drawnSeats("......"), wish(3)),
    [0, 1, 2],
    "not the middle: it would leave single seats",
  );
  t.same(choose(drawnHall("aaaaa"), drawnSeats("....."), wish(2)), [0, 1], "of two alike the first");
  t.same(choose(drawnHall("aaaa"), drawnSeats("...."), wish(3)), [0, 1, 2], "a single seat is left when it must be");
  const pieces = drawnHall("aaaa", "aaaa", "aaaa", "aaaa");
  const split = drawnSeats("..hh", "h.hh", "hhhh", "..hh");
  t.same(choose(pieces, split, wish(3)), [0, 1, 5], "few pieces, then neighbouring rows");
  t.same(choose(pieces, split, wish(4)), [0, 1, 12, 13], "fewer pieces before nearer rows");
  t.same(choose(pieces, split, wish(5)), [0, 1, 5, 12, 13]);
  t.equal(choose(pieces, split, wish(6)), undefined, "too few seats");
  t.equal(choose(pieces, split, wish(3, { contiguous: true })), undefined, "no block");
  const mixed = drawnHall("aabb", "AABB");
  const all = drawnSeats("....", "....");
  t.same(choose(mixed, all, wish(2, { category: 1 })), [2, 3]);
  t.equal(choose(mixed, all, wish(3, { category: 1 })), undefined);
  t.same(choose(mixed, all, wish(2, { accessible: true })), [4, 5], "who asks for accessible seats gets one");
  const corner = drawnHall("aaaa", "aaaA");
  t.same(choose(corner, drawnSeats("....", "..h."), wish(3, { accessible: true })), [2, 3, 7], "around the only one");
  t.same(
    choose(corner, drawnSeats("....", "..hh"), wish(3, { accessible: true })),
    [0, 1, 2],
    "or as others, when it is gone",
  );
});

const isFree = ({ seats }: HallAndSeats, seat: number | undefined): boolean => seat !== undefined && seats[seat] === 0;

const poolOf = ({ layout, hall, seats }: HallAndSeats, { category, accessible }: Wanted): number[] =>
  layout
    .filter((seat) => seats[seat.index] === 0 && (accessible || !seat.accessible))
    .filter((seat) => category === undefined || seat.category === hall.categories[category])
    .map((seat) => seat.index);

const costOf = ({ hall }: HallAndSeats, chosen: readonly number[]): number =>
  chosen.reduce((sum, seat) => sum + (hall.cost[seat] as number), 0);

/** Whether a free seat beside the window would be left without a free neighbour. */
function leavesSingle(room: HallAndSeats, window: readonly number[]): boolean {
  const isLone = (seat: number | undefined, step: 1 | -1): boolean =>
    seat !== undefined && isFree(room, seat) && !isFree(room, besideOf(room.layout, seat, step));
  const first = window[0] as number;
  const last = window.at(-1) as number;
  return isLone(besideOf(room.layout, first, -1), -1) || isLone(besideOf(room.layout, last, 1), 1);
}

/** Lines of adjacent seats that the chosen make up. */
const piecesOf = ({ layout }: HallAndSeats, chosen: readonly number[]): number =>
  chosen.filter((seat) => !chosen.includes(besideOf(layout, seat, -1) ?? -1)).length;

/** From the foremost row to the hindmost, in rows of the hall. */
function spanOf({ layout }: HallAndSeats, chosen: readonly number[]): number {
  const rows = [...new Set(layout.map((seat) => seat.y))].sort((a, b) => a - b);
  const ranks = chosen.map((seat) => rows.indexOf(layout[seat]?.y ?? Number.NaN));
  return Math.max(...ranks) - Math.min(...ranks);
}

const hasAccessible = ({ layout }: HallAndSeats, chosen: readonly number[]): boolean =>
  chosen.some((seat) => layout[seat]?.accessible === true);

/** What a block is judged by, the first difference decides: an accessible seat if asked for, no single seat, cost. */
const blockKey = (room: HallAndSeats, { accessible }: Wanted, window: readonly number[]): number[] => [
  accessible && !hasAccessible(room, window) ? 1 : 0,
  leavesSingle(room, window) ? 1 : 0,
  costOf(room, window),
];

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (const [i, x] of a.entries()) {
    const difference = x - (b[i] as number);
    if (Math.abs(difference) > 1e-6) return difference;
  }
  return 0;
}

const wishes = (quantityMax: number): fc.Arbitrary<Wanted> =>
  fc.record({
    quantity: fc.integer({ min: 1, max: quantityMax }),
    category: fc.constantFrom(undefined, undefined, 0),
    accessible: fc.boolean(),
    contiguous: fc.boolean(),
  });

/** Of the pool, as many as wished, none twice, in ascending order, the seat map untouched. */
function assertSound(room: HallAndSeats, wish: Wanted): number[] | undefined {
  const before = room.seats.slice();
  const chosen = choose(room.hall, room.seats, wish);
  assert.deepEqual(room.seats, before);
  if (chosen === undefined) return undefined;
  const pool = poolOf(room, wish);
  assert.equal(chosen.length, wish.quantity);
  for (const [i, seat] of chosen.entries())
    assert.ok(pool.includes(seat) && (i === 0 || seat > (chosen[i - 1] as number)));
  return chosen;
}

t.test("a block is the best of all windows", async (t) => {
  // Some runs are longer than a mask.
  const rooms = fc.oneof(hallAndSeats({ rowsMax: 6, lengthMax: 14 }), hallAndSeats({ rowsMax: 2, lengthMax: 45 }));
  const property = fc.property(rooms, wishes(10), (room, wish) => {
    const chosen = assertSound(room, wish);
    const pool = new Set(poolOf(room, wish));
    const windows = windowsOf(room.layout, wish.quantity).filter((window) => window.every((seat) => pool.has(seat)));
    const keys = windows.map((window) => blockKey(room, wish, window)).sort(compareKeys);
    const [best] = keys;
    if (best === undefined) return assert.ok(!wish.contiguous || chosen === undefined);
    assert.ok(chosen !== undefined);
    if (wish.accessible && !wish.contiguous && best[0] === 1 && hasAccessible(room, [...pool])) {
      return assert.ok(hasAccessible(room, chosen), "an accessible seat goes before a block without one");
    }
    assert.equal(piecesOf(room, chosen), 1);
    const window = windows.find((candidate) => candidate.every((seat) => chosen.includes(seat)));
    assert.ok(window !== undefined);
    assert.equal(
      compareKeys(blockKey(room, wish, window), best),
      0,
      `${chosen}: ${blockKey(room, wish, window)}, best is ${best}`,
    );
  });
  holds(t, "accessible if asked for, no single seat left, nearest", property, { numRuns: 2_000 });
});

t.test("a split has the fewest pieces there can be, in as few neighbouring rows as can be", async (t) => {
  const rooms = hallAndSeats({ rowsMax: 3, lengthMax: 5 });
  const split = wishes(5).map((wish) => ({ ...wish, accessible: false, contiguous: false }));
  let splits = 0;
  const property = fc.property(rooms, split, (room, wish) => {
    const chosen = assertSound(room, wish);
    const pool = poolOf(room, wish);
    assert.equal(chosen === undefined, pool.length < wish.quantity);
    if (chosen === undefined) return;
    let fewest: number[] = [Number.POSITIVE_INFINITY];
    for (const subset of subsets(pool, wish.quantity)) {
      const key = [piecesOf(room, subset), spanOf(room, subset)];
      if (compareKeys(key, fewest) < 0) fewest = key;
    }
    const found = [piecesOf(room, chosen), spanOf(room, chosen)];
    if ((found[0] as number) > 1) splits += 1;
    // One piece is a block: nothing is said about rows there, but that it lies in one.
    assert.deepEqual(found, fewest);
  });
  holds(t, "fewest pieces, then fewest rows", property, { numRuns: 800 });
  t.ok(splits > 100, `${splits} of them were splits`);
});

t.test("of the narrowest spans of rows the cheapest gives a split", async (t) => {
  let splits = 0;
  const property = fc.property(hallAndSeats({ rowsMax: 12, lengthMax: 8 }), wishes(10), (room, wish) => {
    const split = { ...wish, accessible: false, contiguous: false };
    const chosen = assertSound(room, split);
    if (chosen === undefined || piecesOf(room, chosen) === 1) return;
    const rows = [...new Set(room.layout.map((seat) => seat.y))].sort((a, b) => a - b);
    const span = spanOf(room, chosen);
    // Each span alone, all other rows sold.
    const alone = rows.slice(0, rows.length - span).flatMap((first, i) => {
      const last = rows[i + span] as number;
      const seats = room.seats.map((status, seat) => {
        const y = room.layout[seat]?.y ?? Number.NaN;
        return y >= first && y <= last ? status : 2;
      });
      const there = choose(room.hall, seats, split);
      return there !== undefined && piecesOf(room, there) === piecesOf(room, chosen) ? [costOf(room, there)] : [];
    });
    assert.ok(Math.abs(costOf(room, chosen) - Math.min(...alone)) < 1e-6);
    if (alone.length > 1) splits += 1;
  });
  holds(t, "the cheapest", property, { numRuns: 1_000 });
  t.ok(splits > 50, `${splits} of them had several spans to choose from`);
});

t.test("who needs an accessible seat gets one while there is one", async (t) => {
  const rooms = hallAndSeats({ rowsMax: 4, lengthMax: 8 });
  const property = fc.property(rooms, wishes(6), (room, wish) => {
    const chosen = assertSound(room, { ...wish, accessible: true, contiguous: false });
    const pool = poolOf(room, { ...wish, accessible: true });
    assert.equal(chosen === undefined, pool.length < wish.quantity);
    if (chosen !== undefined && hasAccessible(room, pool)) assert.ok(hasAccessible(room, chosen));
  });
  holds(t, "an accessible seat", property, { numRuns: 500 });
});

/** The hall with every look at a run counted: its rank, its seats, its costs. */
function countedHall(hall: Hall): { hall: Hall; looks: () => number } {
  let count = 0;
  const look = <T>(value: T): T => {
    count += 1;
    return value;
  };
  const counted = ({ seats, rank, costSums, costMin, classBits }: Run): Run => ({
    costMin,
    classBits,
    get seats() {
      return look(seats);
    },
    get rank() {
      return look(rank);
    },
    get costSums() {
      return look(costSums);
    },
  });
  const runs = hall.runs.map(counted);
  return { hall: { ...hall, runs, runsByCost: hall.runsByCost.map(counted) }, looks: () => count };
}

t.test("the work of a choice grows with the hall, however it is cut up", async (t) => {
  // At worst each seat is a segment that stands in ten spans, and finds its place among ten others in each: 143 a seat.
  const LOOKS_PER_SEAT_MAX = 250;
  const rows = (count: number, length: number): string[] => Array.from({ length: count }, () => "a".repeat(length));
  const seatsOf = (count: number, length: number, isFree: (row: number, at: number) => boolean): Uint8Array =>
    Uint8Array.from({ length: count * length }, (_, seat) =>
      isFree(Math.floor(seat / length), seat % length) ? 0 : 2,
    );
  const checkerboard = (row: number, at: number): boolean => (row + at) % 2 === 0;
  const pairsAtTheEnds = (row: number, at: number): boolean => at === 0 || row === 0 || row === 999;
  const fivesApart = (row: number, at: number): boolean => (row % 2 === 0 ? at < 5 : false) || at % 6 === 0;
  const cases: [string, number, number, (row: number, at: number) => boolean, number][] = [
    ["checkerboard, many short rows", 1_000, 2, checkerboard, 10],
    ["checkerboard, long rows", 40, 50, checkerboard, 10],
    ["one row", 1, 2_000, checkerboard, 10],
    ["rows of one seat", 2_000, 1, () => true, 10],
    ["the only two pairs in the first row and the last", 1_000, 2, pairsAtTheEnds, 4],
    ["pieces of five in every other row", 40, 50, fivesApart, 10],
  ];
  for (const [name, count, length, isFree, quantity] of cases) {
    const { hall, looks } = countedHall(drawnHall(...rows(count, length)));
    const chosen = choose(hall, seatsOf(count, length, isFree), wish(quantity));
    t.equal(chosen?.length, quantity, name);
    const perSeat = looks() / (count * length);
    t.ok(perSeat > 1 && perSeat < LOOKS_PER_SEAT_MAX, `${name}: ${perSeat.toFixed(1)} looks a seat`);
  }
});
