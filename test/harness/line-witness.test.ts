// Goal: a witness that says nothing of a fair log, and names each way in which one can be unfair. Method: a show of two
// seats in front and two behind, and logs written by hand.

import t from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { LineWitness } from "./line-witness.ts";

const FRONT = 0;
const BACK = 1;

// Of each event only what a witness reads.
const event = (kind: ShowEvent["kind"], fields: object) => ({ kind, ...fields }) as unknown as ShowEvent;
const hold = (id: string, ...seats: number[]) => event("HoldPlaced", { id, seats });
const release = (id: string) => event("HoldReleased", { id });
const join = (waiterId: string, quantity: number, ...categories: number[]) =>
  event("WaiterJoined", { waiterId, quantity, categories, accessible: false, contiguous: false });
const offer = (waiterId: string, ...seats: number[]) => event("OfferMade", { waiterId, seats });
const accept = (waiterId: string, holdId: string) => event("OfferAccepted", { waiterId, holdId });
const decline = (waiterId: string) => event("OfferDeclined", { waiterId });

function problemsOf(...turns: ShowEvent[][]): string[] {
  const witness = new LineWitness("s", [FRONT, FRONT, BACK, BACK]);
  turns.forEach((events, i) => {
    witness.turn(i + 1, events);
  });
  return witness.problems;
}

const FULL = [[hold("f1", 0)], [hold("f2", 1)], [hold("b", 2, 3)]];

t.test("a fair log", async (t) => {
  const line = [[join("w1", 2, FRONT, BACK)], [join("w2", 1, FRONT)], [join("w3", 1, BACK)]];
  const offered = [...FULL, ...line, [release("f1")], [release("f2"), offer("w1", 0, 1)]];
  t.same(problemsOf(...offered, [accept("w1", "h"), hold("h", 0, 1)]), []);
  t.same(problemsOf(...offered, [decline("w1"), offer("w2", 0)]), []);
  // Behind its back others may wait for what it swaps for; what it gives up goes to them.
  const accumulating = [...FULL, [join("w1", 1, FRONT)], [join("w2", 3, FRONT, BACK)], [release("b")]];
  const swap = [accept("w1", "h"), hold("h", 1)];
  t.same(problemsOf(...accumulating, [release("f1"), offer("w1", 0)], [release("f2"), offer("w2", 1, 2, 3)]), []);
  t.match(problemsOf(...accumulating, [release("f1"), offer("w1", 0)], swap), [/seat 1 becomes held and was held/]);
});

t.test("a payment that succeeds after its booking was released displaces nobody", async (t) => {
  const abandon = event("PaymentAbandoned", { id: "f1" });
  const confirm = event("BookingConfirmed", { id: "f1" });
  t.same(problemsOf(...FULL, [abandon], [confirm]), []);
  t.match(problemsOf(...FULL, [abandon], [confirm], [hold("n", 0)]), [/seat 0 becomes held and was sold/]);
  t.match(problemsOf(...FULL, [abandon], [hold("n", 0)], [confirm]), [/seat 0 becomes sold and was held/]);
  const waiting = [...FULL, [join("w1", 2, FRONT)]];
  t.match(problemsOf(...waiting, [abandon], [confirm]), [/f1 is sold late and 1 wait/, /w1 waits without hope/]);
  t.match(problemsOf(...FULL, [event("BookingConfirmed", { id: "n" })]), [/n is sold and was never held/]);
});

t.test("each way to be unfair", async (t) => {
  const waiting = [...FULL, [join("w1", 2, FRONT)], [join("w2", 1, FRONT)]];
  t.match(problemsOf(...waiting, [release("f1"), offer("w2", 0)]), [
    /w2 is offered seats and it is the turn of nobody/,
    /wrong seats/,
  ]);
  const both = [...FULL, [join("w1", 1, FRONT)], [join("w2", 1, FRONT)]];
  t.match(problemsOf(...both, [release("f1"), offer("w2", 0)]), [/it is the turn of w1/]);
  t.match(problemsOf(...both, [release("f1")]), [/at 6: seats for w1 lie idle/]);
  t.match(problemsOf(...waiting, [release("f1")], [hold("n", 0)]), [/n barges: seat 0 is claimed/]);
  t.same(problemsOf(...waiting, [release("b")], [hold("n", 2, 3)]), [], "nobody claims the back");
  const offered = [...waiting, [release("f1")], [release("f2"), offer("w1", 0, 1)]];
  t.match(problemsOf(...offered, [accept("w1", "h"), hold("other", 0, 1)]), [/barges/, /barges/]);
  t.match(problemsOf(...offered, [accept("w1", "h"), hold("h", 1, 2)]), [/seat 2 becomes held and was held/, /idle/]);
  const late = [...FULL, [join("w1", 1, FRONT)], [join("w2", 2, FRONT, BACK)], [join("w3", 2, BACK)]];
  const swap = [accept("w1", "h"), hold("h", 2)];
  t.match(
    problemsOf(...late, [release("b"), offer("w2", 2, 3)], [release("f1"), offer("w1", 0)], [decline("w2")], swap),
    [/seats for w3 lie idle/],
  );
  t.match(problemsOf([hold("x", 0)], [hold("y", 0)]), [/seat 0 becomes held and was held/]);
  t.match(problemsOf([hold("x", 0)], [release("x")], [hold("x", 0)]), [/x takes effect twice/]);
  t.match(problemsOf([hold("x", 0)], [release("x")], [release("x")]), [/x ends and there is no such hold/]);
  t.match(problemsOf(...offered, [decline("w1"), offer("w2", 0)], [decline("w1")]), [/w1 leaves as what it is not/]);
  t.match(problemsOf([join("w", 3, FRONT)]), [/w waits without hope/]);
});
