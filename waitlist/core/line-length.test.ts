// Goal: no operation depends on how long the line is, or on what has come and gone in it.
// Method: lines so long, or so often used, that anything walked would not end; and the number of questions that serving
// puts to the hall, which is bounded by the lanes.

import t from "tap";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { aWaiter } from "./a-waiter.ts";
import { Line } from "./line.ts";
import { ToyHall } from "./toy-hall.ts";
import type { Waiter } from "./waiter.ts";

const WISHES: readonly Partial<Waiter>[] = [
  { categories: [0], quantity: 2 },
  { categories: [1], quantity: 1 },
  { categories: [0, 1], quantity: 4 },
];

t.test("serving asks as little of a line of 20,000 as of one of 20", async (t) => {
  const asked = [20, 20_000].map((length) => {
    const line = new Line();
    for (let place = 1; place <= length; place += 1) line.add(aWaiter({ place, ...WISHES[place % 3] }), 0);
    const hall = new ToyHall("aaab");
    hall.set([0, 1, 2, 3], "held");
    line.nextHopeless(hall);
    line.nextOffer("strict", hall);
    hall.set([0], "free");
    hall.questionCount = 0;
    t.equal(line.nextHopeless(hall), undefined);
    t.equal(line.nextOffer("strict", hall), undefined);
    t.equal(line.nextOffer("first_fit", hall), undefined);
    return hall.questionCount;
  });
  t.equal(asked[0], asked[1]);
  t.ok((asked[0] as number) < 15, `${asked[0]} questions`);
});

t.test("that a hall is full takes five questions to know, whatever the lanes", async (t) => {
  const line = new Line();
  // 200 lanes: ten quantities of twenty sets of categories.
  for (let place = 1; place <= 2_000; place += 1) {
    const lane = place % 200;
    const set = Math.floor(lane / 10) + 1;
    const categories = [0, 1, 2, 3, 4].filter((category) => (set >> category) % 2 === 1);
    line.add(aWaiter({ place, categories, quantity: 1 + (lane % 10) }), 0);
  }
  const hall = new ToyHall("abcdeabcdeabcdeabcde abcdeabcdeabcdeabcde abcdeabcde");
  hall.set(hall.inState("free"), "held");
  t.equal(line.nextHopeless(hall), undefined);
  hall.questionCount = 0;
  t.equal(line.nextOffer("strict", hall), undefined);
  t.equal(line.nextOffer("first_fit", hall), undefined);
  t.equal(line.nextHopeless(hall), undefined);
  t.ok(hall.questionCount <= 5, `${hall.questionCount} questions`);
});

t.test("one session joins and leaves 100,000 times behind one that stays", async (t) => {
  const line = new Line();
  const first = aWaiter({ place: 1 });
  line.add(first, 0);
  for (let place = 2; place <= 100_001; place += 1) {
    const waiter = aWaiter({ place, session: "restless" as SessionId });
    line.add(waiter, place);
    if (place % 10_000 === 0) t.equal(line.positionOf(waiter), 2);
    line.finish(waiter, "cancelled", place);
    line.forget(waiter.id);
  }
  t.same([line.size, line.activeCount, line.positionOf(first), line.claimed], [1, 1, 1, 1]);
});

t.test("100,000 are loaded in the worst order, and stand in theirs", async (t) => {
  const line = new Line();
  const count = 100_000;
  for (let place = count; place >= 1; place -= 1) {
    const isOffered = place % 5 === 0;
    const waiter = aWaiter({ place, joinedAt: place });
    const times = { expiresAt: 1_000_000 + place, graceMs: 0, lineMs: 120_000 };
    line.add(
      isOffered ? { ...waiter, status: "offered", offer: { seats: [], total: 0, currency: "", ...times } } : waiter,
      0,
    );
  }
  const position = (place: number): number => line.positionOf(line.get(aWaiter({ place }).id) as Waiter);
  t.same([position(1), position(4), position(5), position(6), position(count - 1)], [1, 4, 0, 5, 80_000]);
  t.match(line.due(2_000_000, Number.POSITIVE_INFINITY), { kind: "absent" });
  t.equal(line.nextOffer("strict", new ToyHall("aa"))?.waiter.place, 1);
  t.equal(line.activeCount, count);
});

t.test("thousands flap for hours: skipped and back, none loses its place", async (t) => {
  const line = new Line();
  const waiters = Array.from({ length: 2_000 }, (_, i) => aWaiter({ place: i + 1, ...WISHES[i % 3] }));
  for (const waiter of waiters) line.add(waiter, 0);
  for (let minute = 1; minute <= 50; minute += 1) {
    line.skipUnseen(minute * 60_000);
    t.equal(line.claimed, 0);
    for (let i = 0; i < 2_000; i += 1) line.see(waiters[(i * 811) % 2_000] as Waiter, minute * 60_000);
  }
  t.ok(waiters.every((waiter, i) => line.positionOf(waiter) === i + 1));
  const served: number[] = [];
  const hall = new ToyHall("aabbaabb");
  for (let next = line.nextOffer("strict", hall); served.length < 2_000; next = line.nextOffer("strict", hall)) {
    if (next === undefined) break;
    served.push(next.waiter.place);
    line.finish(next.waiter, "cancelled", 3_000_000);
  }
  t.same(
    served,
    waiters.map(({ place }) => place),
  );
});

t.test("the hopeless who are still to be told keep nobody from being served", async (t) => {
  const line = new Line();
  const party = aWaiter({ place: 1, quantity: 4 });
  const block = aWaiter({ place: 2, quantity: 3, contiguous: true });
  const pair = aWaiter({ place: 3, quantity: 2 });
  for (const waiter of [party, block, pair]) line.add(waiter, 0);
  const hall = new ToyHall("aa a");
  t.equal(line.nextOffer("strict", hall)?.waiter, pair);
  t.equal(line.nextOffer("first_fit", hall)?.waiter, pair);
  const lost = [line.nextHopeless(hall)];
  line.finish(lost[0] as Waiter, "hopeless", 1);
  lost.push(line.nextHopeless(hall));
  t.same(new Set(lost), new Set([party, block]));
});

t.test("what cannot be is a bug, and says so", async (t) => {
  const line = new Line();
  const waiter = aWaiter();
  line.add(waiter, 0);
  t.throws(() => line.add(waiter, 0), /in the line already/);
  t.throws(() => line.add(aWaiter({ place: 2, session: waiter.session }), 0), /waits already/);
  t.throws(() => line.lower(waiter, 2), /not more/);
  t.throws(() => line.finish(waiter, "offered", 0), /cannot end/);
  t.throws(() => line.forget(waiter.id), /still waits/);
  line.finish(waiter, "cancelled", 0);
  t.throws(() => line.finish(waiter, "expired", 0), /not in the line/);
  line.forget(waiter.id);
  line.forget(waiter.id);
  t.equal(line.size, 0);
});
