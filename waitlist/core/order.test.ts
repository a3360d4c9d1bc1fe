// Goal: positions and seats before a waiter are exact however the slots are used up and compacted.
// Method: the order beside an array of those who wait, walked every time.

import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import { aWaiter } from "./a-waiter.ts";
import { type Entry, newEntry } from "./entry.ts";
import { Order } from "./order.ts";

function check(order: Order, waiting: readonly Entry[]): void {
  assert.equal(order.count, waiting.length);
  let seats = 0;
  for (const [index, entry] of waiting.entries()) {
    seats += entry.waiter.quantity;
    assert.equal(order.countBefore(entry), index);
    assert.equal(order.seatsThrough(entry), seats);
  }
}

t.test("an order counts what stands before", async (t) => {
  const step = fc.tuple(
    fc.constantFrom("join", "join", "leave", "lower"),
    fc.nat(1_000),
    fc.integer({ min: 1, max: 10 }),
  );
  const steps = fc.array(step, { maxLength: 250, size: "max" });
  const property = fc.property(steps, fc.nat(40), (steps, most) => {
    const order = new Order();
    const waiting: Entry[] = [];
    for (const [place, [kind, index, quantity]] of steps.entries()) {
      const entry = waiting[index % Math.max(waiting.length, 1)];
      if (kind === "join" && waiting.length <= most) {
        const joined = newEntry(aWaiter({ place, quantity }));
        waiting.push(joined);
        order.append(joined);
      } else if (entry !== undefined && kind === "lower" && entry.waiter.quantity > 1) {
        order.lower(entry, 1);
        entry.waiter.quantity -= 1;
      } else if (entry !== undefined) {
        order.remove(entry);
        waiting.splice(waiting.indexOf(entry), 1);
      }
      check(order, waiting);
    }
  });
  holds(t, "as in the array", property, { numRuns: 150 });
});

t.test("a long order grows and shrinks", async () => {
  const order = new Order();
  let waiting: Entry[] = [];
  let place = 0;
  const join = (): void => {
    place += 1;
    const entry = newEntry(aWaiter({ place, quantity: 1 + (place % 10) }));
    order.append(entry);
    waiting.push(entry);
  };
  for (let i = 0; i < 5_000; i += 1) join();
  check(order, waiting);
  for (const entry of waiting.filter((_, index) => index % 7 !== 0)) order.remove(entry);
  waiting = waiting.filter((_, index) => index % 7 === 0);
  for (let i = 0; i < 5_000; i += 1) join();
  check(order, waiting);
});

t.test("who does not wait cannot leave", async (t) => {
  const order = new Order();
  const entry = newEntry(aWaiter({ place: 1 }));
  order.append(entry);
  order.remove(entry);
  t.throws(() => order.remove(entry), /does not wait/);
});
