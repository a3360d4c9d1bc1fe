// ExtendHold and ReleaseHold by given/when/then, with every moment around the deadline.

import t from "tap";
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
  TTL,
} from "../../test/core/specification.ts";
import type { ShowCommand } from "./command.ts";
import type { HoldExtended, HoldReleased, ShowEvent } from "./event.ts";

const about =
  (kind: "ExtendHold" | "ReleaseHold") =>
  (key: string, by = "ann", requestHash = 1): ShowCommand => ({
    kind,
    session: session(by),
    operation: operation(key, requestHash),
    bookingId: booking("h"),
  });
const extend = about("ExtendHold");
const release = about("ReleaseHold");
const read = (by: string, hold = "h"): ShowCommand => ({
  kind: "ReadBooking",
  session: session(by),
  bookingId: booking(hold),
});

const HOLD = placed("h", "ann", [0, 1]);
const extended = (key: string, more: Partial<HoldExtended> = {}): HoldExtended => ({
  kind: "HoldExtended",
  id: booking("h"),
  expiresAt: T0 + 600_000,
  lineMs: 600_000 + GRACE,
  operation: operationId(key),
  requestHash: 1,
  ...more,
});
const released = (key: string): HoldReleased => ({
  kind: "HoldReleased",
  id: booking("h"),
  operation: operationId(key),
  requestHash: 1,
});
const expired: ShowEvent = { kind: "HoldExpired", id: booking("h") };
const sold: ShowEvent = { kind: "BookingConfirmed", id: booking("h"), reference: "pi_1" };
const declined: ShowEvent = { kind: "PaymentDeclined", id: booking("h"), reason: "card_declined", released: true };
const END = T0 + TTL + GRACE;

t.test("a hold is extended", async (t) => {
  t.test("to 600 s after it was made, whenever that is asked", async (t) => {
    for (const now of [T0, T0 + 1, T0 + TTL - 1, T0 + TTL, END - 1])
      given(HOLD)
        .when(extend("x"), now)
        .thenEvents(t, [extended("x")]);
  });
  t.test("until its grace is over", async (t) => {
    given(HOLD).when(extend("x"), END).thenRefused(t, { code: "hold_expired", status: "expired" }, [expired]);
  });
  t.test("to no less than its own TTL", async (t) => {
    const long = { ...HOLD, expiresAt: T0 + 900_000, lineMs: 900_000 + GRACE };
    given(long)
      .when(extend("x"), T0 + 1)
      .thenEvents(t, [extended("x", { expiresAt: T0 + 900_000, lineMs: 900_000 + GRACE })]);
    const short = { ...HOLD, expiresAt: T0 + 1_000, lineMs: 1_000, graceMs: 0 };
    given(short)
      .when(extend("x"), T0 + 999)
      .thenEvents(t, [extended("x", { lineMs: 600_000 })]);
  });
  t.test("and then stands until the new deadline and its grace", async (t) => {
    const end = T0 + 600_000 + GRACE;
    given(HOLD, extended("x"))
      .when({ kind: "Tick" }, end - 1)
      .thenDone(t);
    given(HOLD, extended("x")).when({ kind: "Tick" }, end).thenDone(t, [expired]);
  });
  t.test("once", async (t) => {
    given(HOLD, extended("x"))
      .when(extend("y"), T0 + 1)
      .thenRefused(t, { code: "already_extended", expiresAt: T0 + 600_000 });
  });
  t.test("once also when the deadlines were moved by an outage, which is not taken back", async (t) => {
    const moved: ShowEvent = { kind: "DeadlinesMoved", byMs: 60_000, outageId: 1 };
    given(HOLD, moved)
      .when(extend("x"), T0 + 1)
      .thenEvents(t, [extended("x", { expiresAt: T0 + 660_000 })]);
    given(HOLD, extended("x"), moved)
      .when(extend("y"), T0 + 1)
      .thenRefused(t, { code: "already_extended", expiresAt: T0 + 660_000 });
  });
  t.test("and the same key answers the same", async (t) => {
    given(HOLD, extended("x"))
      .when(extend("x"), T0 + 1)
      .thenAnswers(t, "h", "held", { replayed: true });
    given(HOLD, extended("x"), released("r"))
      .when(extend("x"), T0 + 1)
      .thenAnswers(t, "h", "released", { replayed: true });
    given(HOLD, extended("x"))
      .when(extend("x", "ann", 2), T0 + 1)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
});

t.test("a hold is released", async (t) => {
  t.test("at any time before payment, and its seats are free at once", async (t) => {
    for (const now of [T0, T0 + TTL, END - 1]) {
      const { state } = given(HOLD)
        .when(release("r"), now)
        .thenEvents(t, [released("r")]);
      t.same([state.seats[0], state.seats[1], state.sessionSeats.size, state.deadlines.size], [0, 0, 0, 0]);
    }
    given(HOLD, extended("x"))
      .when(release("r"), END)
      .thenEvents(t, [released("r")]);
  });
  t.test("but not after its end", async (t) => {
    given(HOLD).when(release("r"), END).thenRefused(t, { code: "hold_expired", status: "expired" }, [expired]);
    given(HOLD, begun("h", "p"), declined)
      .when(release("r"), T0)
      .thenRefused(t, { code: "hold_expired", status: "declined" });
  });
  t.test("once; again, with whichever key, it is as it is", async (t) => {
    given(HOLD, released("r")).when(release("r"), T0).thenAnswers(t, "h", "released", { replayed: true });
    given(HOLD, released("r")).when(release("s"), T0).thenAnswers(t, "h", "released", { replayed: true });
    given(HOLD, released("r"))
      .when(release("r", "ann", 2), T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
});

for (const [name, command] of [
  ["ExtendHold", extend],
  ["ReleaseHold", release],
] as const) {
  t.test(`${name} is refused`, async (t) => {
    t.test("for a booking that is not the session's, or not there", async (t) => {
      given(HOLD).when(command("k", "eve"), T0).thenRefused(t, { code: "not_found" });
      given()
        .when(command("k"), T0)
        .thenFetches(t, { booking: booking("h"), operation: operationId("k") });
      given().when(command("k"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
    });
    t.test("while its payment is under way, and once it is booked", async (t) => {
      given(HOLD, begun("h", "p")).when(command("k"), T0).thenRefused(t, { code: "payment_in_progress" });
      given(HOLD, begun("h", "p"), sold).when(command("k"), T0).thenRefused(t, { code: "already_booked" });
    });
    t.test("with a key that did something else", async (t) => {
      for (const used of ["h", "p"]) {
        given(HOLD, begun("h", "p"))
          .when(command(used, "ann", 2), T0)
          .thenRefused(t, { code: "idempotency_key_reused" });
      }
    });
  });
}

t.test("a cold booking is fetched, then decided on", async (t) => {
  const past = [HOLD, extended("x"), released("r")];
  on({ cold: ["h", "x", "r"] })
    .given(...past)
    .when(extend("x"), T0)
    .thenFetches(t, { booking: booking("h"), operation: operationId("x") });
  // The booking came back with another command; the operation may still be cold.
  on({ cold: ["x", "r"] })
    .given(...past)
    .when(extend("x"), T0)
    .thenFetches(t, { booking: booking("h"), operation: operationId("x") });
  on({ cold: [] })
    .given(...past)
    .when(extend("x"), T0, { looked: true })
    .thenAnswers(t, "h", "released", { replayed: true });
  on({ cold: ["h"] })
    .given(...past)
    .when(read("ann"), T0)
    .thenFetches(t, { booking: booking("h"), operation: undefined });
});

t.test("a booking is read by its session only", async (t) => {
  given(HOLD).when(read("ann"), T0).thenAnswers(t, "h", "held", { replayed: false });
  given(HOLD).when(read("eve"), T0).thenRefused(t, { code: "not_found" });
  given(HOLD).when(read("ann", "none"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
  const { turn } = given(HOLD, at(T0 + 5, begun("h", "p"))).when(read("ann"), T0 + 6);
  t.match(turn.decision, { booking: { status: "paying", version: 3 } });
});
