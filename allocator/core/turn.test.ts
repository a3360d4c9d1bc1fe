// The turn: deadlines fall due in order and before anything else, turn time decides, clocks may go back, outages and
// changed terms move what they should and nothing else.

import t from "tap";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import {
  at,
  begun,
  booking,
  GRACE,
  given,
  on,
  operation,
  operationId,
  placed,
  RULES,
  SHOW,
  session,
  T0,
  TERMS,
  TTL,
} from "../../test/core/specification.ts";
import type { ShowCommand } from "./command.ts";
import type { TurnContext } from "./decision.ts";
import type { HoldPlaced, ShowEvent } from "./event.ts";
import { newShow } from "./state.ts";
import { takeTurn } from "./turn.ts";

const TICK: ShowCommand = { kind: "Tick" };
const expired = (key: string): ShowEvent => ({ kind: "HoldExpired", id: booking(key) });
const abandoned = (key: string): ShowEvent => ({ kind: "PaymentAbandoned", id: booking(key) });
const place = (key: string, by: string, seats: readonly number[]): ShowCommand => ({
  kind: "PlaceHold",
  session: session(by),
  operation: operation(key),
  choice: { by: "seats", seats },
});
const HOLD = placed("h", "ann", [0]);
const END = T0 + TTL + GRACE;

t.test("a hold stands through its TTL and grace, and ends with them", async (t) => {
  for (const now of [T0, T0 + TTL - 1, T0 + TTL, T0 + TTL + 1, END - 1]) given(HOLD).when(TICK, now).thenDone(t);
  for (const now of [END, END + 1, END + 86_400_000])
    given(HOLD)
      .when(TICK, now)
      .thenDone(t, [expired("h")]);
  t.test("its seats are never offered to anybody before", async (t) => {
    given(HOLD)
      .when(place("n", "bob", [0]), END - 1)
      .thenRefused(t, { code: "seats_taken", seats: [0], free: 29 });
    given(HOLD)
      .when(place("n", "bob", [0]), END)
      .thenEvents(t, [expired("h"), placed("n", "bob", [0], { expiresAt: END + TTL })]);
  });
  t.test("without a grace it ends when shown", async (t) => {
    const bare = { ...HOLD, graceMs: 0, lineMs: TTL };
    given(bare)
      .when(TICK, T0 + TTL - 1)
      .thenDone(t);
    given(bare)
      .when(TICK, T0 + TTL)
      .thenDone(t, [expired("h")]);
  });
});

t.test("what is due is settled before the command, the earliest first, whatever line it stands in", async (t) => {
  const hold = (key: string, seat: number, time: number, more: Partial<HoldPlaced> = {}) =>
    at(time, placed(key, key, [seat], { expiresAt: time + TTL, ...more }));
  const short = { expiresAt: T0 + 50_000, lineMs: 55_000 };
  const past = [
    hold("a", 0, T0),
    hold("b", 1, T0 + 1),
    hold("s", 2, T0 + 2, short),
    at(T0 + 3, { ...begun("b", "pb"), deadlineAt: T0 + 60_000 }),
    hold("c", 3, T0 + 4),
    at(T0 + 5, {
      kind: "HoldExtended",
      id: booking("a"),
      expiresAt: T0 + 600_000,
      lineMs: 605_000,
      operation: operationId("x"),
      requestHash: 1,
    }),
  ] as const;
  given(...past)
    .when(TICK, T0 + 900_000)
    .thenDone(t, [expired("s"), abandoned("b"), expired("c"), expired("a")]);
  const read: ShowCommand = { kind: "ReadBooking", session: session("a"), bookingId: booking("a") };
  t.strictSame(given(...past).when(read, T0 + 100_000).turn.events, [expired("s"), abandoned("b")]);
});

t.test("of two that are due a millisecond apart the second stands until its own", async (t) => {
  const second = at(T0 + 1, placed("g", "bob", [1], { expiresAt: T0 + 1 + TTL }));
  given(HOLD, second)
    .when(TICK, END)
    .thenDone(t, [expired("h")]);
  given(HOLD, second)
    .when(TICK, END + 1)
    .thenDone(t, [expired("h"), expired("g")]);
});

t.test("a clock that goes back takes nothing back: the turn has the show's last recorded time", async (t) => {
  const past = at(T0 + 1_000, HOLD);
  const outcome = given(past)
    .when(place("n", "bob", [1]), T0 - 5_000)
    .thenEvents(t, [placed("n", "bob", [1], { expiresAt: T0 + 1_000 + TTL })]);
  t.equal(outcome.turn.at, T0 + 1_000);
  t.equal(outcome.state.lastAt, T0 + 1_000);
});

t.test("a turn without events leaves sequence and time as they were", async (t) => {
  const { state, turn } = given(HOLD)
    .when(TICK, T0 + 500)
    .thenDone(t);
  t.same([state.seq, state.lastAt, turn.at], [2, T0, T0 + 500]);
});

t.test("all events of a turn share one sequence", async (t) => {
  const { state, turn } = given(HOLD).when(place("n", "bob", [0]), END);
  t.same([turn.seq, state.seq, turn.events.length], [3, 3, 2]);
});

t.test("an outage moves every deadline", async (t) => {
  const move = (byMs: number, outageId: number): ShowCommand => ({ kind: "MoveDeadlines", byMs, outageId });
  const moved = (byMs: number, outageId: number): ShowEvent => ({ kind: "DeadlinesMoved", byMs, outageId });
  t.test("before anything is settled", async (t) => {
    const { state } = given(HOLD)
      .when(move(60_000, 1), END + 30_000)
      .thenEvents(t, [moved(60_000, 1)]);
    t.equal(state.deadlines.nextAt(), END + 60_000);
    t.equal(state.bookings.get(booking("h"))?.expiresAt, T0 + TTL + 60_000);
    t.equal(state.outageId, 1);
  });
  t.test("of holds and payments", async (t) => {
    const paying = [HOLD, begun("h", "p"), placed("g", "bob", [1]), moved(60_000, 1)] as const;
    given(...paying)
      .when(TICK, T0 + 180_000 - 1)
      .thenDone(t);
    given(...paying)
      .when(TICK, T0 + 180_000)
      .thenDone(t, [abandoned("h")]);
    given(...paying)
      .when(TICK, END + 60_000)
      .thenDone(t, [abandoned("h"), expired("g")]);
  });
  t.test("once each", async (t) => {
    given(HOLD, moved(60_000, 2)).when(move(60_000, 2), T0).thenDone(t);
    given(HOLD, moved(60_000, 2)).when(move(60_000, 1), T0).thenDone(t);
    given(HOLD, moved(60_000, 2))
      .when(move(5_000, 3), T0)
      .thenEvents(t, [moved(5_000, 3)]);
  });
  t.test("so that what came before it still goes before what came after", async (t) => {
    const after = T0 + 40_000;
    given(HOLD, at(after, moved(60_000, 1)), at(after, placed("n", "bob", [1], { expiresAt: after + TTL })))
      .when(TICK, END + 200_000)
      .thenDone(t, [expired("n"), expired("h")]);
  });
});

t.test("changed terms hold for new deadlines and prices, not for those that stand", async (t) => {
  const terms = { ...TERMS, holdTtlMs: 60_000, graceMs: 1_000, prices: [7] };
  const changed: ShowEvent = { kind: "TermsChanged", terms };
  const past = [HOLD, changed] as const;
  given(HOLD).when({ kind: "ChangeTerms", terms }, T0).thenEvents(t, [changed]);
  const fresh = placed("n", "bob", [1], { total: 7, expiresAt: T0 + 60_000, graceMs: 1_000, lineMs: 61_000 });
  given(...past)
    .when(place("n", "bob", [1]), T0)
    .thenEvents(t, [fresh]);
  given(...past, fresh)
    .when(TICK, T0 + 60_999)
    .thenDone(t);
  given(...past, fresh)
    .when(TICK, T0 + 61_000)
    .thenDone(t, [expired("n")]);
  given(...past, fresh)
    .when(TICK, END)
    .thenDone(t, [expired("n"), expired("h")]);
});

t.test("of many TTLs each gets a line of its own, of too many the order is still right", async (t) => {
  const hall = drawnHall("aaaaaaaaaaaaaaaaaaaa");
  // Holds of 20 TTLs, the longest placed first, then of one TTL among them again.
  const ttls = [...Array.from({ length: 19 }, (_, i) => (20 - i) * 10_000), 95_000];
  const past = ttls.map((ttl, i) =>
    at(T0 + i, placed(`k${i}`, `s${i}`, [i], { expiresAt: T0 + i + ttl, graceMs: 0, lineMs: ttl })),
  );
  const order = ttls
    .map((ttl, i) => ({ key: `k${i}`, due: T0 + i + ttl }))
    .sort((a, b) => a.due - b.due)
    .map(({ key }) => expired(key));
  on({ hall })
    .given(...past)
    .when(TICK, T0 + 900_000)
    .thenDone(t, order);
});

t.test("an event that does not fit the state is a bug, and throws", async (t) => {
  const misfits: [string, readonly (ShowEvent | ReturnType<typeof at>)[]][] = [
    ["a time that goes back", [at(T0 + 1, HOLD), at(T0, placed("g", "bob", [1]))]],
    ["another layout", [{ kind: "ShowOpened", layoutId: "other", terms: TERMS }]],
    ["a hold placed twice", [HOLD, { ...HOLD, seats: [1] }]],
    ["a seat held twice", [HOLD, placed("g", "bob", [0])]],
    ["a booking nobody knows", [expired("h")]],
    [
      "an extension of an extension",
      [
        HOLD,
        ...["x", "y"].map(
          (key): ShowEvent => ({
            kind: "HoldExtended",
            id: booking("h"),
            expiresAt: T0,
            lineMs: 1,
            operation: operationId(key),
            requestHash: 1,
          }),
        ),
      ],
    ],
    ["the end of what ended", [HOLD, expired("h"), expired("h")]],
    ["a payment for what ended", [HOLD, expired("h"), begun("h", "p")]],
    [
      "a confirmation of what ended",
      [HOLD, expired("h"), { kind: "BookingConfirmed", id: booking("h"), reference: "pi" }],
    ],
    ["an outcome without a payment", [HOLD, { kind: "PaymentDeclined", id: booking("h"), reason: "", released: true }]],
    ["a payment given up that was not begun", [HOLD, abandoned("h")]],
    ["a capture without a payment", [HOLD, { kind: "PaymentCaptured", id: booking("h") }]],
    ["the cancelling of a hold", [HOLD, { kind: "BookingCancelled", id: booking("h"), reason: "" }]],
    [
      "the blocking of a held seat",
      [HOLD, { kind: "SeatsBlocked", seats: [0], operation: operationId("b"), requestHash: 1 }],
    ],
    [
      "the unblocking of a free seat",
      [{ kind: "SeatsUnblocked", seats: [0], operation: operationId("b"), requestHash: 1 }],
    ],
  ];
  for (const [name, events] of misfits) t.throws(() => given(...events).state(), { name: "AssertionError" }, name);
});

t.test("a new show is all free, and its first event opens it", async (t) => {
  const hall = drawnHall("aabB");
  const state = newShow(SHOW, hall, TERMS);
  t.same([state.seq, state.free, state.held, [...state.seats]], [0, [2, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]);
  const context: TurnContext = { now: T0, rules: RULES, paymentsAvailable: true, looked: false };
  t.equal(takeTurn(state, TICK, context).events.length, 0);
});
