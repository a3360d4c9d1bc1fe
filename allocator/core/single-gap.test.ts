// The rule against single gaps, against its own words: a free seat between two taken ones, one of them taken now.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { drawnHall, drawnSeats } from "../../test/core/drawn-hall.ts";
import { holds } from "../../test/core/property.ts";
import { besideOf, type HallAndSeats, hallAndSeats, windowsOf } from "../../test/core/random-hall.ts";
import { nearestAllowedBlock, strandedSeat } from "./single-gap.ts";

t.test("examples", async (t) => {
  const hall = drawnHall("aaaaaaaa");
  const stranded = (map: string, chosen: readonly number[]) => strandedSeat(hall, drawnSeats(map), chosen);
  t.equal(stranded("........", [0, 1]), undefined);
  t.equal(stranded("x.......", [2]), 1);
  t.equal(stranded("b.......", [2]), 1, "a blocked seat is taken");
  t.equal(stranded("x.......", [1]), undefined);
  t.equal(stranded("x.......", [3]), undefined, "two are left");
  t.equal(stranded("........", [1]), undefined, "the end of a row is not between taken ones");
  t.equal(stranded("........", [1, 3]), 2, "both taken now");
  t.equal(stranded("x.x.....", [3]), undefined, "a gap that was there before is nobody's fault now");
  t.equal(stranded("......x.", [4, 5]), undefined);
  t.equal(strandedSeat(drawnHall("aaa aaa"), drawnSeats("...x.."), [1]), undefined, "an aisle ends the row");
  t.same(nearestAllowedBlock(hall, drawnSeats("x......."), [2]), [1]);
  t.same(nearestAllowedBlock(hall, drawnSeats("x......."), [2, 3]), [1, 2]);
  t.same(nearestAllowedBlock(hall, drawnSeats("x.x.x.x."), [1]), [1], "filling a gap strands nobody");
  t.same(nearestAllowedBlock(drawnHall("aaaa"), drawnSeats("x..x"), [1]), [], "there may be none");
  t.same(nearestAllowedBlock(drawnHall("aaab"), drawnSeats("x..."), [2]), [1], "of the same category");
});

/** Free seats with both neighbours taken once `chosen` are, at least one of these beside it. */
function strandedBy({ layout, seats }: HallAndSeats, chosen: readonly number[]): number[] {
  const isTaken = (seat: number): boolean => seats[seat] !== 0 || chosen.includes(seat);
  return layout
    .map((seat) => seat.index)
    .filter((seat) => {
      const beside = [besideOf(layout, seat, -1), besideOf(layout, seat, 1)];
      return (
        !isTaken(seat) &&
        beside.every((n) => n !== undefined && isTaken(n)) &&
        beside.some((n) => chosen.includes(n as number))
      );
    });
}

const rooms = hallAndSeats({ rowsMax: 3, lengthMax: 10 });
const picks = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 5 });

const chosenOf = ({ seats }: HallAndSeats, picks: readonly number[]): number[] => {
  const free = [...seats.keys()].filter((seat) => seats[seat] === 0);
  return free.length === 0 ? [] : [...new Set(picks.map((pick) => free[pick % free.length] as number))];
};

t.test("the stranded seat is one that this lock strands, and is found when there is one", async (t) => {
  let found = 0;
  const property = fc.property(rooms, picks, (room, picks) => {
    const chosen = chosenOf(room, picks);
    const wanted = strandedBy(room, chosen);
    const stranded = strandedSeat(room.hall, room.seats, chosen);
    if (stranded === undefined) return assert.deepEqual(wanted, []);
    assert.ok(wanted.includes(stranded));
    found += 1;
  });
  holds(t, "stranded", property, { numRuns: 1_000 });
  t.ok(found > 50, `${found} seats were stranded`);
});

t.test(
  "the block offered instead is free, adjacent, of the categories wanted, allowed, and none is nearer",
  async (t) => {
    const property = fc.property(rooms, picks, (room, picks) => {
      const chosen = chosenOf(room, picks);
      if (chosen.length === 0) return;
      const { layout, seats } = room;
      const categories = new Set(chosen.map((seat) => layout[seat]?.category));
      const wantsAccessible = chosen.some((seat) => layout[seat]?.accessible);
      const mean = (of: "x" | "y"): number =>
        chosen.reduce((sum, seat) => sum + (layout[seat]?.[of] ?? 0), 0) / chosen.length;
      const centre = { x: mean("x"), y: mean("y") };
      const distance = (block: readonly number[]): number =>
        block.reduce(
          (sum, seat) => sum + ((layout[seat]?.x ?? 0) - centre.x) ** 2 + ((layout[seat]?.y ?? 0) - centre.y) ** 2,
          0,
        );
      const allowed = windowsOf(layout, chosen.length)
        .filter((block) => block.every((seat) => seats[seat] === 0 && categories.has(layout[seat]?.category)))
        .filter((block) => wantsAccessible || block.every((seat) => !layout[seat]?.accessible))
        .filter((block) => strandedBy(room, block).length === 0);
      const block = nearestAllowedBlock(room.hall, seats, chosen);
      if (allowed.length === 0) return assert.deepEqual(block, []);
      assert.ok(
        allowed.some(
          (candidate) => candidate.every((seat) => block.includes(seat)) && block.length === candidate.length,
        ),
      );
      assert.ok(distance(block) <= Math.min(...allowed.map(distance)) + 1e-6);
    });
    holds(t, "nearest allowed", property, { numRuns: 600 });
  },
);
