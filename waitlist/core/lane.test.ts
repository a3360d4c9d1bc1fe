// Goal: a lane's head is its eligible member with the smallest place, and its memory stays in proportion to its members.
// Method: two lanes that entries may move between, beside sets of members of which the smallest is searched for.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import { aWaiter } from "./a-waiter.ts";
import { type Entry, newEntry } from "./entry.ts";
import { Lane } from "./lane.ts";

const entryAt = (place: number): Entry => newEntry(aWaiter({ place }));
const newLane = (): Lane => new Lane(0, entryAt(0));

function check(lane: Lane, members: readonly Entry[]): void {
  const eligible = members.filter(({ isSkipped }) => !isSkipped);
  const places = eligible.map(({ place }) => place);
  assert.equal(lane.head?.place, places.length === 0 ? undefined : Math.min(...places));
  assert.equal(lane.memberCount, members.length);
  assert.equal(lane.first === undefined, members.length === 0);
  assert.ok(lane.first === undefined || members.includes(lane.first));
  assert.ok(lane.storedCount <= 2 * members.length + 32, `${lane.storedCount} stored of ${members.length}`);
}

t.test("the head of a lane is its eligible member with the smallest place", async (t) => {
  const step = fc.tuple(fc.constantFrom("enter", "enter", "leave", "flap", "flap", "flap"), fc.nat(63), fc.boolean());
  const property = fc.property(fc.array(step, { maxLength: 400, size: "max" }), fc.boolean(), (steps, isInTurn) => {
    const lanes = [newLane(), newLane()] as const;
    // Places ascend, as when people join in turn, or come in any order, as when they move here from another lane.
    const entries = Array.from({ length: 64 }, (_, i) => entryAt(isInTurn ? i : (i * 37) % 64));
    for (const [kind, index, isSecond] of steps) {
      const entry = entries[index] as Entry;
      if (kind === "enter") {
        entry.lane?.leave(entry);
        lanes[isSecond ? 1 : 0].enter(entry);
      } else if (kind === "leave") {
        entry.lane?.leave(entry);
      } else {
        entry.isSkipped = !entry.isSkipped;
        if (entry.isSkipped) entry.lane?.skip(entry);
        else entry.lane?.restore(entry);
      }
      for (const lane of lanes)
        check(
          lane,
          entries.filter((entry) => entry.lane === lane),
        );
    }
  });
  holds(t, "whatever comes and goes", property, { numRuns: 250 });
});

t.test("a lane of hundreds, seen again in any order, has its heads in order", async () => {
  const lane = newLane();
  const entries = Array.from({ length: 500 }, (_, place) => entryAt(place));
  for (const entry of entries) lane.enter(entry);
  for (const entry of entries) {
    entry.isSkipped = true;
    lane.skip(entry);
  }
  check(lane, entries);
  for (let i = 0; i < 500; i += 1) {
    const entry = entries[(i * 211) % 500] as Entry;
    entry.isSkipped = false;
    lane.restore(entry);
  }
  for (let left = entries; left.length > 0; left = left.slice(1)) {
    check(lane, left);
    lane.leave(left[0] as Entry);
  }
  check(lane, []);
});

t.test("what comes and goes behind a head that stays is not kept", async (t) => {
  const lane = newLane();
  lane.enter(entryAt(0));
  for (let place = 1; place <= 10_000; place += 1) {
    const entry = entryAt(place);
    lane.enter(entry);
    lane.leave(entry);
  }
  t.equal(lane.head?.place, 0);
  t.ok(lane.storedCount <= 34, `${lane.storedCount} are stored`);
});

t.test("a lane that is served at the front as fast as it grows at the end stays short", async (t) => {
  const lane = newLane();
  const waiting = Array.from({ length: 10 }, (_, place) => entryAt(place));
  for (const entry of waiting) lane.enter(entry);
  for (let place = 10; place < 10_000; place += 1) {
    const entry = entryAt(place);
    lane.enter(entry);
    waiting.push(entry);
    lane.leave(waiting.shift() as Entry);
  }
  check(lane, waiting);
  t.equal(lane.head, waiting[0]);
});

t.test("flapping does not fill a lane", async () => {
  const lane = newLane();
  const entries = Array.from({ length: 10 }, (_, place) => entryAt(place));
  for (const entry of entries) lane.enter(entry);
  for (let i = 0; i < 10_000; i += 1) {
    const entry = entries[(i * 7) % 10] as Entry;
    entry.isSkipped = !entry.isSkipped;
    if (entry.isSkipped) lane.skip(entry);
    else lane.restore(entry);
    check(lane, entries);
  }
});
