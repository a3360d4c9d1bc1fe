// CancelBooking by given/when/then, and what becomes of its money and its seats.

import t from "tap";
import {
  at,
  begun,
  booking,
  given,
  on,
  operation,
  operationId,
  placed,
  session,
  T0,
} from "../../test/core/specification.ts";
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
    given(HOLD).when(cancel("c"), T0).thenRefused(t, { code: "hold_expired", status: "held" });
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
});
