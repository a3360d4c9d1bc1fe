// CancelBooking and ClearShow by given/when/then, and what becomes of the money and the seats.

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
  session,
  T0,
  TERMS,
  waiter,
} from "../../test/core/specification.ts";
import { CLEARED_PER_TURN_MAX } from "./cancel-booking.ts";
import type { SettlePayment, ShowCommand } from "./command.ts";
import type { PaymentDeclined, ShowEvent } from "./event.ts";

const cancel = (key: string, by = "ann", requestHash = 1): ShowCommand => ({
  kind: "CancelBooking",
  session: session(by),
  operation: operation(key, requestHash),
  bookingId: booking("h"),
});
const settle = (outcome: SettlePayment["outcome"], attempt = 1): ShowCommand => ({
  kind: "SettlePayment",
  bookingId: booking("h"),
  attempt,
  outcome,
});
const CAPTURED = settle({ kind: "captured" });
const VOIDED = settle({ kind: "voided" });
const REFUNDED = settle({ kind: "refunded" });

const HOLD = placed("h", "ann", [0, 1]);
const BEGUN = begun("h", "p");
const id = booking("h");
const sold: ShowEvent = { kind: "BookingConfirmed", id, reference: "pi_1" };
const soldAtOnce = (key: string): ShowEvent => ({
  kind: "BookingConfirmed",
  id,
  begun: { operation: operationId(key), requestHash: 1, paymentToken: "pm_card_visa" },
});
const captured: ShowEvent = { kind: "PaymentCaptured", id };
const voided: ShowEvent = { kind: "PaymentVoided", id };
const refunded: ShowEvent = { kind: "PaymentRefunded", id };
const cancelled: ShowEvent = {
  kind: "BookingCancelled",
  id,
  reason: "cancelled_by_holder",
  operation: operationId("c"),
  requestHash: 1,
};
const declined: PaymentDeclined = { kind: "PaymentDeclined", id, reason: "card_declined", released: true };

t.test("a booking is cancelled", async (t) => {
  t.test("by its session; its seats are free, its money goes back", async (t) => {
    for (const past of [
      [HOLD, BEGUN, sold],
      [HOLD, BEGUN, sold, captured],
    ]) {
      const { state } = given(...past)
        .when(cancel("c"), T0)
        .thenEvents(t, [cancelled]);
      t.match(state.bookings.get(id), { status: "cancelled", payment: { state: "refunding" } });
      t.equal(state.seats[1], 0);
    }
    given(HOLD, BEGUN, sold, cancelled).when(VOIDED, T0).thenEvents(t, [voided]);
    given(HOLD, BEGUN, sold, captured, cancelled).when(REFUNDED, T0).thenEvents(t, [refunded]);
    given(HOLD, BEGUN, sold, captured).when(REFUNDED, T0).thenAnswers(t, "h", "booked", { replayed: false });
    given(HOLD, BEGUN, sold, cancelled).when(CAPTURED, T0).thenAnswers(t, "h", "cancelled", { replayed: false });
    const paidOnTheSpot = given(HOLD, soldAtOnce("p")).when(cancel("c"), T0).thenEvents(t, [cancelled]);
    t.match(paidOnTheSpot.state.bookings.get(id), { payment: { state: "captured" } }, "nothing to give back");
  });
  t.test("once", async (t) => {
    const past = [HOLD, BEGUN, sold, cancelled];
    given(...past)
      .when(cancel("c"), T0)
      .thenAnswers(t, "h", "cancelled", { replayed: true });
    given(...past)
      .when(cancel("d"), T0)
      .thenAnswers(t, "h", "cancelled", { replayed: true });
    given(...past)
      .when(cancel("c", "ann", 2), T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
  t.test("but not anybody else's, not before it is booked, and not with a key that did something else", async (t) => {
    given(HOLD, BEGUN, sold).when(cancel("c", "eve"), T0).thenRefused(t, { code: "not_found" });
    given(HOLD).when(cancel("c"), T0).thenRefused(t, { code: "not_booked" });
    given(HOLD, BEGUN).when(cancel("c"), T0).thenRefused(t, { code: "payment_in_progress" });
    given(HOLD, BEGUN, declined).when(cancel("c"), T0).thenRefused(t, { code: "hold_expired", status: "declined" });
    given(HOLD, BEGUN, sold)
      .when(cancel("p", "ann", 2), T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
  t.test("after it was fetched, when it was cold", async (t) => {
    const cold = on({ cold: ["h", "p"] }).given(HOLD, soldAtOnce("p"));
    cold.when(cancel("c"), T0).thenFetches(t, { booking: id, operation: operationId("c") });
    on({ cold: ["c"] })
      .given(HOLD, soldAtOnce("p"), cancelled)
      .when(cancel("c"), T0)
      .thenFetches(t, { booking: id, operation: operationId("c") });
  });
  t.test("and its seats go to whoever comes next", async (t) => {
    given(HOLD, BEGUN, sold, cancelled, at(T0 + 1, placed("next", "bob", [0, 1])))
      .when({ kind: "Tick" }, T0 + 2)
      .thenDone(t);
  });
  t.test("strictly before the cutoff, which is the service's rule and counts from the show's start", async (t) => {
    const until = TERMS.startsAt - 3_600_000;
    const past = [HOLD, BEGUN, sold];
    given(...past)
      .when(cancel("c"), until - 1)
      .thenEvents(t, [cancelled]);
    for (const time of [until, until + 1]) {
      given(...past)
        .when(cancel("c"), time)
        .thenRefused(t, { code: "cancellation_closed", until });
    }
    given(...past)
      .when(cancel("c"), TERMS.startsAt - 1, { rules: { cancelUntilMs: 0 } })
      .thenEvents(t, [cancelled]);
    given(...past)
      .when(cancel("c"), TERMS.startsAt, { rules: { cancelUntilMs: 0 } })
      .thenRefused(t, { code: "cancellation_closed", until: TERMS.startsAt });
    given(...past, cancelled)
      .when(cancel("d"), until)
      .thenAnswers(t, "h", "cancelled", { replayed: true });
    given(HOLD, BEGUN, declined).when(cancel("c"), until).thenRefused(t, { code: "hold_expired", status: "declined" });
  });
  t.test("not once somebody was let in with one of its tickets", async (t) => {
    const use = { seat: 1, at: T0, gate: "north" };
    const used: ShowEvent = {
      kind: "TicketUsed",
      id,
      seat: 1,
      gate: "north",
      operation: operationId("u"),
      requestHash: 1,
    };
    given(HOLD, BEGUN, sold, used)
      .when(cancel("c"), T0)
      .thenRefused(t, { code: "ticket_used", uses: [use] });
  });
  t.test("and in the same turn its seats are offered to whoever waits", async (t) => {
    const rest = Array.from({ length: 28 }, (_, i) => i + 2);
    const joined: ShowEvent = {
      kind: "WaiterJoined",
      waiterId: waiter("w"),
      session: session("bob"),
      quantity: 2,
      categories: [0],
      accessible: false,
      contiguous: false,
      expiresAt: T0 + 3_600_000,
      requestHash: 1,
    };
    const full = rest.flatMap((_, i) =>
      i % 7 === 0 ? [placed(`r${i}`, `s${i}`, rest.slice(i, i + 7), { expiresAt: T0 + 500_000, lineMs: 505_000 })] : [],
    );
    given(HOLD, BEGUN, sold, ...full, at(T0 + 1, joined))
      .when(cancel("c"), T0 + 2)
      .thenEvents(t, [
        cancelled,
        {
          kind: "OfferMade",
          waiterId: waiter("w"),
          seats: [0, 1],
          total: 2_000,
          currency: "EUR",
          expiresAt: T0 + 2 + TERMS.offerTtlMs,
          graceMs: GRACE,
          lineMs: TERMS.offerTtlMs + GRACE,
        },
      ]);
  });
});

t.test("a show is cancelled", async (t) => {
  const CLEAR: ShowCommand = { kind: "ClearShow" };
  const over: ShowEvent = { kind: "TermsChanged", terms: { ...TERMS, cancelled: true } };
  const reason = "show_cancelled";
  t.test("what is held is released, what is being paid is given up, what is booked is cancelled", async (t) => {
    const paying = booking("p");
    const { state } = given(HOLD, BEGUN, sold, captured, placed("p", "bob", [2]), begun("p", "q"))
      .when({ kind: "Tick" }, T0)
      .thenDone(t);
    t.equal(state.bookings.size, 2, "nothing of it while the show goes on");
    const past = [HOLD, BEGUN, sold, captured, placed("p", "bob", [2]), begun("p", "q"), placed("f", "cy", [3]), over];
    const cleared = given(...past).when(CLEAR, T0 + 1);
    cleared.thenEvents(t, [
      { kind: "BookingCancelled", id, reason },
      { kind: "PaymentAbandoned", id: paying, reason },
      { kind: "HoldReleased", id: booking("f"), reason },
    ]);
    t.match(cleared.state.bookings.get(id), { status: "cancelled", reason, payment: { state: "refunding" } });
    t.match(cleared.state.bookings.get(paying), { status: "released", reason, payment: { state: "voiding" } });
    t.match(cleared.state.bookings.get(booking("f")), { status: "released", reason });
    t.equal(cleared.state.seats.indexOf(1), -1);
    t.equal(cleared.state.seats.indexOf(2), -1);
  });
  t.test("one whose payment succeeds afterwards is not booked", async (t) => {
    const abandoned: ShowEvent = { kind: "PaymentAbandoned", id, reason };
    given(HOLD, BEGUN, over, abandoned)
      .when(settle({ kind: "authorised", reference: "pi_1" }), T0 + 1)
      .thenAnswers(t, "h", "released", { replayed: false });
  });
  t.test("a bounded number in a turn, the rest in the next", async (t) => {
    const hall = drawnHall(...Array.from({ length: 15 }, () => "aaaaaaaaaa"));
    const holds = Array.from({ length: 150 }, (_, seat) => placed(`h${seat}`, `s${seat}`, [seat]));
    const turn = on({ hall })
      .given(...holds, over)
      .when(CLEAR, T0 + 1);
    t.equal(turn.turn.events.length, CLEARED_PER_TURN_MAX);
    const rest = on({ hall })
      .given(...holds, over, at(T0 + 1, ...turn.turn.events))
      .when(CLEAR, T0 + 2);
    t.equal(rest.turn.events.length, 150 - CLEARED_PER_TURN_MAX);
    on({ hall })
      .given(...holds, over, at(T0 + 1, ...turn.turn.events), at(T0 + 2, ...rest.turn.events))
      .when(CLEAR, T0 + 3)
      .thenDone(t);
  });
  t.test("its cutoff counts no more, and its holders hear why", async (t) => {
    given(HOLD, BEGUN, sold, over)
      .when(cancel("c"), TERMS.startsAt + 1)
      .thenEvents(t, [{ ...cancelled, reason }]);
  });
  t.test("one that goes on loses nothing", async (t) => {
    given(HOLD, BEGUN, sold).when(CLEAR, T0).thenDone(t);
  });
});
