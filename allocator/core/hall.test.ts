import t from "tap";
import { drawnHall, layoutOf } from "../../test/core/drawn-hall.ts";
import { assertSeats, compileHall, type Hall } from "./hall.ts";

const runsOf = (hall: Hall): (readonly number[])[] => hall.runs.map((run) => run.seats);

t.test("an aisle ends a run, and so do a row and a section", async (t) => {
  t.same(runsOf(drawnHall("aaa aa", "aaaaaa")), [
    [0, 1, 2],
    [3, 4],
    [5, 6, 7, 8, 9, 10],
  ]);
  const sideBySide = layoutOf([
    { name: "L", x: 0, y: 0, rows: ["aaa"] },
    { name: "R", x: 3, y: 0, rows: ["aaa"] },
  ]);
  t.same(
    runsOf(compileHall(sideBySide)),
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
    "also where they touch",
  );
});

t.test("neighbours never cross a run's end", async (t) => {
  const hall = drawnHall("aa a", "aaa");
  t.same([...hall.left], [-1, 0, -1, -1, 3, 4]);
  t.same([...hall.right], [1, -1, -1, 4, 5, -1]);
});

t.test("what an aisle is depends on how far apart the hall's seats are", async (t) => {
  const stretched = (pitch: number, gap: number) => {
    const layout = layoutOf([{ name: "", x: 0, y: 0, rows: ["aaaaaa"] }]);
    const seats = layout.seats.map((seat, i) => ({ ...seat, x: i * pitch + (i >= 3 ? gap : 0) }));
    return runsOf(compileHall({ ...layout, seats })).length;
  };
  for (const pitch of [0.01, 1, 55]) {
    t.equal(stretched(pitch, 0.49 * pitch), 1, `pitch ${pitch}, a little wider`);
    t.equal(stretched(pitch, 0.51 * pitch), 2, `pitch ${pitch}, half a seat wider`);
  }
});

t.test("seats are in a run from left to right, however they are listed, also in curved rows", async (t) => {
  const layout = layoutOf([{ name: "", x: 0, y: 0, rows: ["aaaaaaaaa", "aaaaaaaaa"] }]);
  const curved = layout.seats.map((seat) => ({ ...seat, y: seat.y + 0.05 * (seat.x - 4) ** 2 }));
  t.same(runsOf(compileHall({ ...layout, seats: curved })), [
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
    [9, 10, 11, 12, 13, 14, 15, 16, 17],
  ]);
  const mirrored = layout.seats.map((seat) => ({ ...seat, x: -seat.x }));
  t.same(runsOf(compileHall({ ...layout, seats: mirrored }))[0], [8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

t.test("rows are ranked from front to back over all sections", async (t) => {
  const hall = compileHall(
    layoutOf([
      { name: "back", x: 0, y: 7, rows: ["aaaa", "aaaa"] },
      { name: "left", x: 0, y: 0, rows: ["aaaa", "aaaa"] },
      { name: "right", x: 9, y: 1, rows: ["aaaa"] },
    ]),
  );
  const ranks = Object.fromEntries(hall.runs.map((run) => [run.seats[0], run.rank]));
  t.same(ranks, { 0: 2, 4: 3, 8: 0, 12: 1, 16: 1 }, "rows side by side share a rank; a gangway is no rank");
});

t.test("costs grow with the distance to the focus, and any window's is one subtraction", async (t) => {
  const hall = compileHall(layoutOf([{ name: "", x: 0, y: 0, rows: ["aaaa"] }], { x: 1, y: 2 }));
  t.same([...hall.cost], [5, 4, 5, 8]);
  t.same(hall.runs[0]?.costSums, [0, 5, 9, 14, 22]);
});

t.test("categories are numbered by their first seat", async (t) => {
  const hall = drawnHall("ba", "BA");
  t.same(
    [hall.categories, [...hall.category], [...hall.accessible]],
    [
      ["b", "a"],
      [0, 1, 0, 1],
      [0, 0, 1, 1],
    ],
  );
});

t.test("one seat is a hall, seats out of order are a bug", async (t) => {
  t.same(runsOf(drawnHall("a")), [[0]]);
  const layout = layoutOf([{ name: "", x: 0, y: 0, rows: ["aa"] }]);
  t.throws(() => compileHall({ ...layout, seats: layout.seats.toReversed() }), { name: "AssertionError" });
});

t.test("seats that are not in the hall, or one twice, are a bug", async (t) => {
  const hall = drawnHall("aaa");
  t.doesNotThrow(() => assertSeats(hall, [2, 0, 1]));
  for (const seats of [[3], [-1], [0.5], [Number.NaN], [1, 1]])
    t.throws(() => assertSeats(hall, seats), { name: "AssertionError" });
});
