// PlaceHold and idempotency: what a key made it answers again, another body is refused, what is cold is looked up.

import t from "tap";
import {
  at,
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
  TTL,
} from "../../test/core/specification.ts";
import type { ShowCommand } from "./command.ts";

const bySeats = (key: string, by: string, seats: readonly number[], requestHash = 1): ShowCommand => ({
  kind: "PlaceHold",
  session: session(by),
  operation: operation(key, requestHash),
  choice: { by: "seats", seats },
});

const blocked = (seats: readonly number[]) =>
  ({ kind: "SeatsBlocked", seats, operation: operationId("block"), requestHash: 1 }) as const;

t.test("a key", async (t) => {
  const hold = placed("h", "ann", [0, 1]);
  const same = bySeats("h", "ann", [0, 1]);
  t.test("asked for again answers what it made, whatever became of it, and never extends it", async (t) => {
    given(hold)
      .when(same, T0 + 100)
      .thenAnswers(t, "h", "held", { replayed: true });
    const released = { kind: "HoldReleased", id: booking("h"), operation: operationId("r"), requestHash: 1 } as const;
    given(hold, released).when(same, T0).thenAnswers(t, "h", "released", { replayed: true });
    given(hold, at(T0 + TTL + GRACE, { kind: "HoldExpired", id: booking("h") }))
      .when(same, T0 + TTL + GRACE)
      .thenAnswers(t, "h", "expired", { replayed: true });
  });
  t.test("comes before every refusal, sales closed included", async (t) => {
    given(hold, { kind: "TermsChanged", terms: { ...TERMS, cancelled: true } })
      .when(same, T0)
      .thenAnswers(t, "h", "held", { replayed: true });
  });
  t.test("also days later: a booking's id is made of it, and no second one may have it", async (t) => {
    const days = 9 * 86_400_000;
    const stage = { terms: { salesCutoffAt: T0 + 2 * days } };
    const past = [
      hold,
      at(T0 + TTL + GRACE, { kind: "HoldExpired", id: booking("h") }),
      at(T0 + days, blocked([9])),
    ] as const;
    on({ ...stage, cold: ["h"] })
      .given(...past)
      .when(same, T0 + days)
      .thenFetches(t, { booking: booking("h"), operation: operationId("h") });
    on(stage)
      .given(...past)
      .when(same, T0 + days)
      .thenAnswers(t, "h", "expired", { replayed: true });
  });
  t.test("with another body is refused", async (t) => {
    given(hold)
      .when(bySeats("h", "ann", [5], 2), T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
  t.test("whose command was refused is judged anew", async (t) => {
    const wants = bySeats("h", "ann", [0], 2);
    const other = placed("other", "bob", [0]);
    given(other)
      .when(wants, T0)
      .thenRefused(t, { code: "seats_taken", seats: [0], free: 29 });
    given(other, at(T0 + TTL + GRACE, { kind: "HoldExpired", id: booking("other") }))
      .when(wants, T0 + TTL + GRACE)
      .thenEvents(t, [placed("h", "ann", [0], { requestHash: 2, expiresAt: T0 + TTL + GRACE + TTL })]);
  });
  t.test("that extended, released, paid, cancelled or blocked something places no hold", async (t) => {
    const wants = bySeats("used", "ann", [9], 2);
    const used = { operation: operationId("used"), requestHash: 1 };
    const reused = { code: "idempotency_key_reused" } as const;
    given(hold, { kind: "HoldExtended", id: booking("h"), expiresAt: T0 + 600_000, lineMs: 605_000, ...used })
      .when(wants, T0)
      .thenRefused(t, reused);
    given(hold, { kind: "HoldReleased", id: booking("h"), ...used })
      .when(wants, T0)
      .thenRefused(t, reused);
    given({ kind: "SeatsBlocked", seats: [5], ...used })
      .when(wants, T0)
      .thenRefused(t, reused);
    const begun = {
      kind: "PaymentBegun",
      id: booking("h"),
      attempt: 1,
      paymentToken: "pm",
      deadlineAt: T0 + 120_000,
      lineMs: 120_000,
      ...used,
    } as const;
    given(hold, begun).when(wants, T0).thenRefused(t, reused);
    given(hold, { kind: "BookingConfirmed", id: booking("h"), begun: { ...used, paymentToken: "pm" } })
      .when(wants, T0)
      .thenRefused(t, reused);
  });
  t.test("that may be known but is cold is looked up first", async (t) => {
    const released = { kind: "HoldReleased", id: booking("h"), operation: operationId("r"), requestHash: 1 } as const;
    const cold = on({ cold: ["h", "r"] }).given(hold, released);
    cold.when(same, T0).thenFetches(t, { booking: booking("h"), operation: operationId("h") });
    cold.when(bySeats("new", "ann", [0]), T0).thenEvents(t, [placed("new", "ann", [0])]);
    // The look-up found nothing: the index knew too many.
    cold.when(same, T0, { looked: true }).thenEvents(t, [placed("h", "ann", [0, 1])]);
  });
});
