// ConfirmBooking, SettlePayment and CancelBooking by given/when/then: each outcome in each state of a payment.

import t from "tap";
import {
  begun,
  booking,
  GRACE,
  given,
  on,
  operation,
  operationId,
  PAY_TTL,
  placed,
  session,
  T0,
  TERMS,
  TTL,
} from "../../test/core/specification.ts";
import type { SettlePayment, ShowCommand } from "./command.ts";
import type { PaymentDeclined, ShowEvent } from "./event.ts";

const confirm = (key: string, by = "ann", requestHash = 1): ShowCommand => ({
  kind: "ConfirmBooking",
  session: session(by),
  operation: operation(key, requestHash),
  bookingId: booking("h"),
  paymentToken: "pm_card_visa",
  contactEmail: undefined,
});
const settle = (outcome: SettlePayment["outcome"], attempt = 1): ShowCommand => ({
  kind: "SettlePayment",
  bookingId: booking("h"),
  attempt,
  outcome,
});
const AUTHORISED = settle({ kind: "authorised", reference: "pi_1" });
const DECLINED = settle({ kind: "declined", reason: "card_declined" });
const CAPTURED = settle({ kind: "captured" });
const CAPTURE_FAILED = settle({ kind: "capture_failed" });
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
const captureFailed: ShowEvent = { kind: "BookingCancelled", id, reason: "capture_failed" };
const abandoned: ShowEvent = { kind: "PaymentAbandoned", id };
const expired: ShowEvent = { kind: "HoldExpired", id };
const declined: PaymentDeclined = { kind: "PaymentDeclined", id, reason: "card_declined", released: true };
/** The seats stay held; the key stays known beside those of later attempts. */
const heldAgain = (key: string): PaymentDeclined => ({
  ...declined,
  released: false,
  operation: operationId(key),
  requestHash: 1,
});
const END = T0 + TTL + GRACE;
const KEEP = { rules: { releaseOnDecline: false } };
const INSTANT = { rules: { instantPayments: true } };

t.test("a confirm begins a payment", async (t) => {
  t.test("with a deadline of its own, strictly before the hold's deadline and grace", async (t) => {
    for (const now of [T0, T0 + TTL, END - 1]) {
      const { state } = given(HOLD)
        .when(confirm("p"), now)
        .thenEvents(t, [{ ...BEGUN, deadlineAt: now + PAY_TTL, begunAt: now }]);
      t.equal(state.deadlines.nextAt(), now + PAY_TTL);
    }
    given(HOLD).when(confirm("p"), END).thenRefused(t, { code: "hold_expired", status: "expired" }, [expired]);
  });
  t.test("and keeps where to write to", async (t) => {
    const contact = { ...confirm("p"), contactEmail: "a@example.org" } as ShowCommand;
    const outcome = given(HOLD)
      .when(contact, T0)
      .thenEvents(t, [{ ...BEGUN, contactEmail: "a@example.org" }]);
    t.equal(outcome.state.bookings.get(id)?.contactEmail, "a@example.org");
  });
  t.test("unless payments are unavailable: then the hold stays as it is", async (t) => {
    given(HOLD).when(confirm("p"), T0, { paymentsAvailable: false }).thenPaymentUnavailable(t);
  });
  t.test("instant or free, it is booked in the same turn, whatever the payment gateway does", async (t) => {
    for (const paymentsAvailable of [true, false]) {
      given(HOLD)
        .when(confirm("p"), END - 1, { ...INSTANT, paymentsAvailable })
        .thenEvents(t, [soldAtOnce("p")]);
      given({ ...HOLD, total: 0 })
        .when(confirm("p"), T0, { paymentsAvailable })
        .thenEvents(t, [soldAtOnce("p")]);
    }
    given(HOLD).when(confirm("p"), END, INSTANT).thenRefused(t, { code: "hold_expired", status: "expired" }, [expired]);
    const { state } = given(HOLD).when(confirm("p"), T0, INSTANT);
    t.match(state.bookings.get(id), { status: "booked", bookedAt: T0, payment: { state: "captured", attempt: 1 } });
    t.same([state.seats[0], state.deadlines.size, state.sessionSeats.size], [2, 0, 0]);
  });
});

t.test("a confirm is refused", async (t) => {
  t.test("for a booking that is not the session's, or not there", async (t) => {
    given(HOLD).when(confirm("p", "eve"), T0).thenRefused(t, { code: "not_found" });
    given()
      .when(confirm("p"), T0)
      .thenFetches(t, { booking: id, operation: operationId("p") });
    given().when(confirm("p"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
  });
  t.test("with another key while a payment is under way", async (t) => {
    given(HOLD, BEGUN).when(confirm("q"), T0).thenRefused(t, { code: "payment_in_progress" });
  });
  t.test("after the hold's end, with whichever key", async (t) => {
    const release: ShowEvent = { kind: "HoldReleased", id, operation: operationId("r"), requestHash: 1 };
    given(HOLD, release).when(confirm("p"), T0).thenRefused(t, { code: "hold_expired", status: "released" });
    given(HOLD, BEGUN, abandoned).when(confirm("q"), T0).thenRefused(t, { code: "hold_expired", status: "released" });
    given(HOLD, BEGUN, sold, cancelled)
      .when(confirm("q"), T0)
      .thenRefused(t, { code: "hold_expired", status: "cancelled" });
  });
  t.test("with a key that did something else", async (t) => {
    const reused = { code: "idempotency_key_reused" } as const;
    given(HOLD)
      .when(confirm("h", "ann", 2), T0)
      .thenRefused(t, reused);
    given(HOLD, BEGUN)
      .when(confirm("p", "ann", 2), T0)
      .thenRefused(t, reused);
    const other = [placed("other", "ann", [5]), { ...BEGUN, id: booking("other") }] as const;
    given(HOLD, ...other)
      .when(confirm("p", "ann", 2), T0)
      .thenRefused(t, reused);
    given(HOLD, BEGUN, sold, cancelled)
      .when(confirm("c", "ann", 2), T0)
      .thenRefused(t, reused);
  });
});

t.test("a confirm's key answers the booking's present outcome", async (t) => {
  given(HOLD, BEGUN)
    .when(confirm("p"), T0 + 1)
    .thenAnswers(t, "h", "paying", { replayed: true });
  given(HOLD, BEGUN, sold)
    .when(confirm("p"), T0 + 1)
    .thenAnswers(t, "h", "booked", { replayed: true });
  given(HOLD, soldAtOnce("p"))
    .when(confirm("p"), T0 + 1)
    .thenAnswers(t, "h", "booked", { replayed: true });
  given(HOLD, BEGUN, sold)
    .when(confirm("q"), T0 + 1)
    .thenAnswers(t, "h", "booked", { replayed: true });
  given(HOLD, BEGUN, declined)
    .when(confirm("p"), T0)
    .thenRefused(t, { code: "payment_declined", reason: "card_declined" });
  given(HOLD, BEGUN, heldAgain("p"))
    .when(confirm("p"), T0)
    .thenRefused(t, { code: "payment_declined", reason: "card_declined" });
  given(HOLD, BEGUN, abandoned).when(confirm("p"), T0).thenRefused(t, { code: "hold_expired", status: "released" });
  given(HOLD, BEGUN, abandoned, sold).when(confirm("p"), T0).thenAnswers(t, "h", "booked", { replayed: true });
  t.test("also the key of an earlier attempt: it never begins another", async (t) => {
    const second = { ...begun("h", "q"), attempt: 2 };
    given(HOLD, BEGUN, heldAgain("p"), second).when(confirm("p"), T0).thenAnswers(t, "h", "paying", { replayed: true });
    given(HOLD, BEGUN, heldAgain("p"), second, heldAgain("q"))
      .when(confirm("p"), T0)
      .thenRefused(t, { code: "payment_declined", reason: "card_declined" });
    given(HOLD, BEGUN, heldAgain("p"), second, heldAgain("q"))
      .when(confirm("r"), T0)
      .thenEvents(t, [{ ...begun("h", "r"), attempt: 3 }]);
  });
  t.test("cold ones are fetched first", async (t) => {
    on({ cold: ["h", "p"] })
      .given(HOLD, soldAtOnce("p"))
      .when(confirm("p"), T0)
      .thenFetches(t, { booking: id, operation: operationId("p") });
    on({ cold: ["p"] })
      .given(HOLD, soldAtOnce("p"))
      .when(confirm("p"), T0)
      .thenAnswers(t, "h", "booked", { replayed: true });
    on({ cold: ["h", "p"] })
      .given(HOLD, soldAtOnce("p"))
      .when(confirm("p"), T0, { looked: true })
      .thenRefused(t, { code: "not_found" });
  });
});

t.test("authorised", async (t) => {
  t.test("the seats are sold, until the payment's own deadline, also after the hold's", async (t) => {
    const due = T0 + PAY_TTL;
    const { state } = given(HOLD, BEGUN)
      .when(AUTHORISED, due - 1)
      .thenEvents(t, [sold]);
    t.match(state.bookings.get(id), {
      status: "booked",
      bookedAt: due - 1,
      payment: { state: "authorised", reference: "pi_1" },
    });
    const late = { ...BEGUN, deadlineAt: END + 100_000 };
    given(HOLD, late)
      .when(AUTHORISED, END + 99_999)
      .thenEvents(t, [sold]);
  });
  t.test("for an attempt that is not the present one, or known already, nothing happens", async (t) => {
    given(HOLD, BEGUN)
      .when(settle({ kind: "authorised", reference: "pi_1" }, 2), T0)
      .thenDone(t);
    given(HOLD).when(AUTHORISED, T0).thenDone(t);
    given().when(AUTHORISED, T0).thenDone(t);
    given(HOLD, BEGUN, sold).when(AUTHORISED, T0).thenAnswers(t, "h", "booked", { replayed: false });
    given(HOLD, BEGUN, sold, captured).when(AUTHORISED, T0).thenAnswers(t, "h", "booked", { replayed: false });
    given(HOLD, BEGUN, declined).when(AUTHORISED, T0).thenAnswers(t, "h", "declined", { replayed: false });
    given(HOLD, BEGUN, abandoned, voided).when(AUTHORISED, T0).thenAnswers(t, "h", "released", { replayed: false });
  });
});

t.test("declined", async (t) => {
  t.test("the seats are released at once by default", async (t) => {
    const { state } = given(HOLD, BEGUN).when(DECLINED, T0).thenEvents(t, [declined]);
    t.match(state.bookings.get(id), { status: "declined", reason: "card_declined" });
    t.equal(state.seats[0], 0);
  });
  t.test("or go back to held until the hold's own deadline, for another attempt", async (t) => {
    const { state } = given(HOLD, BEGUN)
      .when(DECLINED, T0 + 1, KEEP)
      .thenEvents(t, [heldAgain("p")]);
    t.equal(state.deadlines.nextAt(), END);
    const again = given(HOLD, BEGUN, heldAgain("p"));
    again
      .when(confirm("q"), T0 + 2, KEEP)
      .thenEvents(t, [{ ...begun("h", "q"), attempt: 2, deadlineAt: T0 + 2 + PAY_TTL, begunAt: T0 + 2 }]);
    again.when(confirm("q"), T0 + 2, INSTANT).thenEvents(t, [soldAtOnce("q")]);
    again.when({ kind: "Tick" }, END - 1).thenDone(t);
    again.when({ kind: "Tick" }, END).thenDone(t, [expired]);
  });
  t.test("an extended hold goes back to its extended deadline", async (t) => {
    const longer: ShowEvent = {
      kind: "HoldExtended",
      id,
      expiresAt: T0 + 600_000,
      lineMs: 605_000,
      operation: operationId("x"),
      requestHash: 1,
    };
    const { state } = given(HOLD, longer, BEGUN)
      .when(DECLINED, T0 + 1, KEEP)
      .thenEvents(t, [heldAgain("p")]);
    t.equal(state.deadlines.nextAt(), T0 + 605_000);
  });
  t.test("after the payment was given up, it leaves nothing to be voided", async (t) => {
    given(HOLD, BEGUN, abandoned).when(DECLINED, T0).thenEvents(t, [voided]);
  });
  t.test("for what is known already, nothing happens", async (t) => {
    given(HOLD, BEGUN, declined).when(DECLINED, T0).thenAnswers(t, "h", "declined", { replayed: false });
    given(HOLD, BEGUN, sold).when(DECLINED, T0).thenAnswers(t, "h", "booked", { replayed: false });
    given(HOLD, BEGUN, heldAgain("p"), { ...begun("h", "q"), attempt: 2 })
      .when(DECLINED, T0)
      .thenDone(t);
  });
});

t.test("of unknown outcome, a payment is given up at its own deadline", async (t) => {
  const due = T0 + PAY_TTL;
  given(HOLD, BEGUN)
    .when({ kind: "Tick" }, due - 1)
    .thenDone(t);
  const { state } = given(HOLD, BEGUN).when({ kind: "Tick" }, due).thenDone(t, [abandoned]);
  t.match(state.bookings.get(id), { status: "released", reason: "payment_unknown", payment: { state: "voiding" } });
  // Its turn comes at the deadline: given up first, then found to be harmless to book after all.
  given(HOLD, BEGUN).when(AUTHORISED, due).thenEvents(t, [abandoned, sold]);
});

t.test("a success after release", async (t) => {
  const late = (...between: readonly ShowEvent[]) => given(HOLD, BEGUN, abandoned, ...between);
  const nothing = { replayed: false };
  t.test("is booked when its seats are free and its session has nothing else", async (t) => {
    const { state } = late()
      .when(AUTHORISED, T0 + 9)
      .thenEvents(t, [sold]);
    t.match(state.bookings.get(id), {
      status: "booked",
      reason: undefined,
      bookedAt: T0 + 9,
      payment: { state: "authorised" },
    });
    late(placed("other", "bob", [2]))
      .when(AUTHORISED, T0)
      .thenEvents(t, [sold]);
  });
  t.test("displaces nobody", async (t) => {
    late(placed("other", "bob", [1]))
      .when(AUTHORISED, T0)
      .thenAnswers(t, "h", "released", nothing);
    late({ kind: "SeatsBlocked", seats: [0], operation: operationId("b"), requestHash: 1 })
      .when(AUTHORISED, T0)
      .thenAnswers(t, "h", "released", nothing);
  });
  t.test("is not booked beside something else live of its session, nor in a cancelled show", async (t) => {
    late(placed("other", "ann", [9]))
      .when(AUTHORISED, T0)
      .thenAnswers(t, "h", "released", nothing);
    late({ kind: "TermsChanged", terms: { ...TERMS, cancelled: true } })
      .when(AUTHORISED, T0)
      .thenAnswers(t, "h", "released", nothing);
  });
  t.test("or is voided", async (t) => {
    late().when(VOIDED, T0).thenEvents(t, [voided]);
    late(voided).when(VOIDED, T0).thenAnswers(t, "h", "released", nothing);
  });
});

t.test("captured", async (t) => {
  given(HOLD, BEGUN, sold).when(CAPTURED, T0).thenEvents(t, [captured]);
  given(HOLD, BEGUN, sold, captured).when(CAPTURED, T0).thenAnswers(t, "h", "booked", { replayed: false });
  given(HOLD, BEGUN).when(CAPTURED, T0).thenAnswers(t, "h", "paying", { replayed: false });
});

t.test("a capture that fails for good cancels the booking and gives back what may have been taken", async (t) => {
  const { state } = given(HOLD, BEGUN, sold).when(CAPTURE_FAILED, T0).thenEvents(t, [captureFailed]);
  t.match(state.bookings.get(id), { status: "cancelled", reason: "capture_failed", payment: { state: "refunding" } });
  t.equal(state.seats[0], 0);
  given(HOLD, BEGUN, sold, captured).when(CAPTURE_FAILED, T0).thenAnswers(t, "h", "booked", { replayed: false });
  given(HOLD, BEGUN, sold, captureFailed)
    .when(CAPTURE_FAILED, T0)
    .thenAnswers(t, "h", "cancelled", { replayed: false });
  given(HOLD, BEGUN).when(CAPTURE_FAILED, T0).thenAnswers(t, "h", "paying", { replayed: false });
});

t.test("a hint about a payment", async (t) => {
  const check = (reference: string, attempt = 1): ShowCommand => ({
    kind: "CheckPayment",
    bookingId: id,
    attempt,
    reference,
  });
  t.test("is nothing new where the booking keeps it, or it is being settled", async (t) => {
    for (const events of [[BEGUN], [BEGUN, abandoned], [BEGUN, sold], [BEGUN, sold, captured]]) {
      given(HOLD, ...events)
        .when(check("pi_1"), T0)
        .thenDone(t);
    }
    given(HOLD, BEGUN, sold, captured, cancelled).when(check("pi_1"), T0).thenDone(t);
  });
  t.test("is about a stray where nothing is under way, and the booking keeps another or none", async (t) => {
    const again = { ...begun("h", "q"), attempt: 2 };
    const cases: [events: ShowEvent[], reference: string, status: "declined" | "released" | "booked"][] = [
      [[BEGUN, abandoned, voided], "pi_1", "released"],
      [[BEGUN, declined], "pi_1", "declined"],
      [[BEGUN, sold], "pi_2", "booked"],
      [[BEGUN, sold, captured], "pi_2", "booked"],
      [[BEGUN, heldAgain("p"), again, sold], "pi_1", "booked"],
    ];
    for (const [events, reference, status] of cases) {
      given(HOLD, ...events)
        .when(check(reference), T0)
        .thenAnswers(t, "h", status, { replayed: false });
    }
  });
  t.test("is not ours where no booking began it", async (t) => {
    given().when(check("pi_1"), T0).thenFetches(t, { booking: id, operation: undefined });
    given().when(check("pi_1"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
    given(HOLD).when(check("pi_1"), T0).thenRefused(t, { code: "not_found" });
    given(HOLD, BEGUN, sold).when(check("pi_1", 2), T0).thenRefused(t, { code: "not_found" });
  });
});
