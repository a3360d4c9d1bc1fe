// Who is served, from what, and when: the waitlist's part of the turn, and what it means for those who do not wait.

import t from "tap";
import type { SeatChoice } from "../../shared/protocol/command.ts";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import {
  at,
  begun,
  booking,
  GRACE,
  on,
  operation,
  operationId,
  placed,
  RULES,
  session,
  T0,
  TERMS,
  TTL,
} from "../../test/core/specification.ts";
import { joined, lapsed, left, offered, readWaiter } from "../../test/core/waitlist-events.ts";
import { ABSENT_AFTER_MS, SEEN_FOR_MS } from "../../waitlist/core/waiter.ts";
import type { ShowCommand } from "./command.ts";
import { nextAt } from "./due.ts";
import { LEAVING_PER_TURN_MAX } from "./hand-on.ts";
import { takeTurn } from "./turn.ts";

const row = { hall: drawnHall("aaaa") };
const lock = (by: string, choice: SeatChoice): ShowCommand => ({
  kind: "PlaceHold",
  session: session(by),
  operation: operation("lock"),
  choice,
});
const named = (by: string, ...seats: number[]) => lock(by, { by: "seats", seats });
const anyOf = (by: string, quantity: number, category?: number) =>
  lock(by, { by: "quantity", quantity, category, accessible: false, contiguous: false });
const release = (key: string, by: string): ShowCommand => ({
  kind: "ReleaseHold",
  session: session(by),
  operation: operation("release"),
  bookingId: booking(key),
});
const released = (key: string) =>
  ({ kind: "HoldReleased", id: booking(key), operation: operationId("release"), requestHash: 1 }) as const;

t.test("whatever frees seats, the next waiter has them in the same turn", async (t) => {
  const past = [placed("h", "bob", [0, 1]), placed("g", "eve", [2, 3], { expiresAt: T0 + TTL + 1 })] as const;
  t.test("a release", async (t) => {
    on(row)
      .given(...past, joined("w", "ann", 2))
      .when(release("h", "bob"), T0)
      .thenEvents(t, [released("h"), offered("w", [0, 1])]);
  });
  t.test("an expiry, whatever command the turn is for", async (t) => {
    const due = T0 + TTL + GRACE;
    const expired = { kind: "HoldExpired", id: booking("h") } as const;
    const seen = at(due - 1, joined("w", "ann", 2, { expiresAt: due + 3_600_000 }));
    const offer = offered("w", [0, 1], { expiresAt: due + 120_000 });
    const show = on(row).given(...past, seen);
    show.when({ kind: "Tick" }, due).thenDone(t, [expired, offer]);
    t.same(show.when(readWaiter("w", "ann"), due).turn.events, [expired, offer]);
    show.when(anyOf("zoe", 1), due).thenRefused(t, { code: "retry_held", free: 0 }, [expired, offer]);
  });
  t.test("a declined payment", async (t) => {
    on(row)
      .given(...past, begun("h", "pay"), joined("w", "ann", 2))
      .when(
        { kind: "SettlePayment", bookingId: booking("h"), attempt: 1, outcome: { kind: "declined", reason: "no" } },
        T0,
      )
      .thenEvents(t, [
        { kind: "PaymentDeclined", id: booking("h"), reason: "no", released: true },
        offered("w", [0, 1]),
      ]);
  });
  t.test("a cancelled booking", async (t) => {
    const events = on(row)
      .given(...past, begun("h", "pay"), { kind: "BookingConfirmed", id: booking("h") }, joined("w", "ann", 2))
      .when({ kind: "CancelBooking", session: session("bob"), operation: operation("c"), bookingId: booking("h") }, T0)
      .turn.events;
    t.same(events.at(-1), offered("w", [0, 1]));
  });
  t.test("seats put back into sale", async (t) => {
    const block = { seats: [0, 1], operation: operationId("b"), requestHash: 1 };
    on(row)
      .given({ kind: "SeatsBlocked", ...block }, past[1], joined("w", "ann", 2))
      .when({ kind: "UnblockSeats", operation: operation("u"), seats: [0, 1] }, T0)
      .thenEvents(t, [{ kind: "SeatsUnblocked", ...block, operation: operationId("u") }, offered("w", [0, 1])]);
  });
});

t.test("strictly in order: the head accumulates, those behind see only what it does not claim", async (t) => {
  const show = on(row).given(
    placed("h", "bob", [0]),
    placed("g", "eve", [1, 2, 3]),
    joined("w", "ann", 3),
    joined("v", "zoe", 1),
  );
  show.when(release("h", "bob"), T0).thenEvents(t, [released("h")]);
  show.when(release("g", "eve"), T0).thenEvents(t, [released("g"), offered("w", [1, 2, 3])]);
  const two = on({ hall: drawnHall("aabb") }).given(
    placed("h", "bob", [0, 2, 3]),
    joined("w", "ann", 2),
    joined("v", "zoe", 2, { categories: [0, 1] }),
    joined("u", "kim", 1, { categories: [1] }),
  );
  two
    .when(release("h", "bob"), T0)
    .thenEvents(t, [released("h"), offered("w", [0, 1]), offered("v", [2, 3], { total: 4_000 })]);
});

t.test("first_fit serves the longest-waiting party that fits", async (t) => {
  const fit = { ...row, terms: { waitlistPolicy: "first_fit" } } as const;
  const past = [placed("h", "bob", [0]), placed("g", "eve", [1, 2, 3]), joined("w", "ann", 3)] as const;
  const show = on(fit).given(...past, joined("v", "zoe", 2), joined("u", "kim", 1), joined("x", "lee", 1));
  show.when(release("h", "bob"), T0).thenEvents(t, [released("h"), offered("u", [0])]);
  const newcomer = on(fit).given(placed("g", "eve", [1, 2, 3]), joined("w", "ann", 3));
  newcomer.when(anyOf("kim", 1), T0).thenRefused(t, { code: "waitlist_active", free: 0 });
  const terms = { ...TERMS, waitlistPolicy: "first_fit" } as const;
  on(row)
    .given(placed("g", "eve", [1, 2, 3]), joined("w", "ann", 3), joined("u", "kim", 1))
    .when({ kind: "ChangeTerms", terms }, T0)
    .thenEvents(t, [{ kind: "TermsChanged", terms }, offered("u", [0])]);
});

t.test("nobody barges", async (t) => {
  const mixed = { hall: drawnHall("aabb") };
  const show = on(mixed).given(placed("h", "bob", [0]), joined("w", "ann", 2));
  show.when(named("zoe", 1), T0).thenRefused(t, { code: "waitlist_active", free: 2 });
  show.when(named("zoe", 0), T0).thenRefused(t, { code: "waitlist_active", free: 2 });
  show.when(anyOf("zoe", 1, 0), T0).thenRefused(t, { code: "waitlist_active", free: 0 });
  show.when(anyOf("zoe", 3), T0).thenRefused(t, { code: "waitlist_active", free: 2 });
  show.when(anyOf("zoe", 2), T0).thenEvents(t, [placed("lock", "zoe", [2, 3], { total: 4_000 })]);
  show.when(named("zoe", 2), T0).thenEvents(t, [placed("lock", "zoe", [2], { total: 2_000 })]);
  // Without a claim on what it asks for, it is told that others hold it.
  const held = on(mixed).given(placed("h", "bob", [0, 1, 2]), joined("w", "ann", 2));
  held.when(anyOf("zoe", 2, 1), T0).thenRefused(t, { code: "retry_held", free: 1 });
});

t.test("presence", async (t) => {
  const show = on(row).given(placed("h", "bob", [0, 1]), joined("w", "ann", 3));
  t.test("who was not seen for a minute claims nothing", async (t) => {
    show.when(anyOf("zoe", 2), T0 + SEEN_FOR_MS - 1).thenRefused(t, { code: "waitlist_active", free: 0 });
    const now = T0 + SEEN_FOR_MS;
    show.when(anyOf("zoe", 2), now).thenEvents(t, [placed("lock", "zoe", [2, 3], { expiresAt: now + TTL })]);
  });
  t.test("the next is served when the one before is skipped", async (t) => {
    const late = T0 + 1_000;
    const now = T0 + SEEN_FOR_MS;
    on(row)
      .given(placed("h", "bob", [0, 1]), joined("w", "ann", 3), at(late, joined("v", "zoe", 2)))
      .when({ kind: "Tick" }, now)
      .thenDone(t, [offered("v", [2, 3], { expiresAt: now + 120_000 })]);
  });
  t.test("a poll puts it back in that turn", async (t) => {
    const now = T0 + SEEN_FOR_MS + 10;
    const gone = on(row).given(joined("w", "ann", 3));
    const outcome = gone.when(readWaiter("w", "ann"), now);
    t.same(outcome.turn.events, [offered("w", [0, 1, 2], { expiresAt: now + 120_000 })]);
    t.match(outcome.turn.decision, { kind: "answer_waiter", waiter: { status: "offered" } });
    t.same(gone.when(readWaiter("w", "bob"), now).turn.events, [], "nobody else's does");
  });
  t.test("an open offer needs no presence", async (t) => {
    const now = T0 + 124_999;
    const offer = on(row).given(joined("w", "ann", 2), offered("w", [0, 1]));
    offer.when({ kind: "Tick" }, now).thenDone(t);
    offer.when({ kind: "Tick" }, now + 1).thenDone(t, [lapsed("w")]);
    t.ok(now < T0 + ABSENT_AFTER_MS);
  });
});

t.test("hopeless", async (t) => {
  const hall = { hall: drawnHall("aaab") };
  const sold = {
    kind: "BookingConfirmed",
    id: booking("h"),
    begun: { operation: operationId("pay"), requestHash: 1, paymentToken: "t" },
  } as const;
  const confirm: ShowCommand = {
    kind: "ConfirmBooking",
    session: session("bob"),
    operation: operation("pay"),
    bookingId: booking("h"),
    paymentToken: "t",
    contactEmail: undefined,
  };
  const show = on(hall).given(
    placed("h", "bob", [0]),
    placed("g", "eve", [1, 2]),
    joined("w", "ann", 3),
    joined("v", "zoe", 2),
    joined("u", "kim", 3, { categories: [0, 1] }),
  );
  show.when(confirm, T0, { rules: { instantPayments: true } }).thenEvents(t, [sold, left("w", "hopeless")]);
  t.test("offered seats may come back", async (t) => {
    on(hall)
      .given(placed("h", "bob", [0]), joined("o", "lea", 2), offered("o", [1, 2]), joined("v", "zoe", 2))
      .when(confirm, T0, { rules: { instantPayments: true } })
      .thenEvents(t, [sold]);
  });
  t.test("side by side: when no such block can ever be had", async (t) => {
    on({ hall: drawnHall("aaa") })
      .given(placed("h", "bob", [1]), placed("g", "eve", [0, 2]), joined("v", "zoe", 2, { contiguous: true }))
      .when({ ...confirm }, T0, { rules: { instantPayments: true } })
      .thenEvents(t, [sold, left("v", "hopeless")]);
  });
});

t.test("a crowd is sent home some at a time, and nothing waits for it", async (t) => {
  const crowd = Array.from({ length: LEAVING_PER_TURN_MAX + 5 }, (_, i) => joined(`w${i}`, `s${i}`, 2));
  const block = { seats: [2], operation: operationId("b"), requestHash: 1 } as const;
  const show = on({ hall: drawnHall("aaa") }).given(placed("h", "bob", [0]), placed("g", "eve", [1]), ...crowd);
  const { turn, state } = show.when({ kind: "BlockSeats", operation: operation("b"), seats: [2] }, T0);
  t.same(turn.events, [{ kind: "SeatsBlocked", ...block }], "seats 0 and 1 may come back for two");
  const confirm = {
    kind: "ConfirmBooking",
    session: session("bob"),
    operation: operation("pay"),
    bookingId: booking("h"),
    paymentToken: "t",
    contactEmail: undefined,
  } as const;
  const context = { now: T0, rules: { ...RULES, instantPayments: true }, paymentsAvailable: true, looked: false };
  const sold = takeTurn(state, confirm, context);
  t.equal(sold.events.length, 1 + LEAVING_PER_TURN_MAX);
  t.ok(nextAt(state) <= T0, "the rest is due at once");
  const rest = takeTurn(state, { kind: "Tick" }, context);
  t.equal(rest.events.length, 5);
  t.equal(state.line?.activeCount, 0);
  t.ok(nextAt(state) > T0, "and then nothing is");
});

t.test("a late success is booked only when nobody waits", async (t) => {
  const abandoned = { kind: "PaymentAbandoned", id: booking("h") } as const;
  const settle: ShowCommand = {
    kind: "SettlePayment",
    bookingId: booking("h"),
    attempt: 1,
    outcome: { kind: "authorised", reference: "r" },
  };
  const past = [placed("g", "eve", [2, 3]), placed("h", "bob", [0]), begun("h", "pay"), abandoned] as const;
  on(row)
    .given(...past)
    .when(settle, T0)
    .thenEvents(t, [{ kind: "BookingConfirmed", id: booking("h"), reference: "r" }]);
  const events = on(row)
    .given(...past, joined("w", "ann", 3))
    .when(settle, T0).turn.events;
  t.same(events, []);
});
