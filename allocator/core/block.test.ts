// BlockSeats and UnblockSeats by given/when/then.

import t from "tap";
import { begun, booking, given, on, operation, operationId, placed, T0 } from "../../test/core/specification.ts";
import type { ShowCommand } from "./command.ts";
import type { ShowEvent } from "./event.ts";

const command =
  (kind: "BlockSeats" | "UnblockSeats") =>
  (key: string, seats: readonly number[], requestHash = 1): ShowCommand => ({
    kind,
    operation: operation(key, requestHash),
    seats,
  });
const block = command("BlockSeats");
const unblock = command("UnblockSeats");
const event =
  (kind: "SeatsBlocked" | "SeatsUnblocked") =>
  (key: string, seats: readonly number[]): ShowEvent => ({
    kind,
    seats,
    operation: operationId(key),
    requestHash: 1,
  });
const blocked = event("SeatsBlocked");
const unblocked = event("SeatsUnblocked");

t.test("seats are blocked, all or none", async (t) => {
  const { state } = given()
    .when(block("b", [3, 4]), T0)
    .thenEvents(t, [blocked("b", [3, 4])]);
  t.same([state.seats[3], state.seats[4], state.free[0]], [3, 3, 28]);
  given(placed("h", "ann", [4]))
    .when(block("b", [3, 4]), T0)
    .thenRefused(t, { code: "seats_taken", seats: [4], free: 29 });
  given(placed("h", "ann", [4]), begun("h", "p"), { kind: "BookingConfirmed", id: booking("h"), reference: "pi" })
    .when(block("b", [3, 4]), T0)
    .thenRefused(t, { code: "seats_taken", seats: [4], free: 29 });
});

t.test("seats already as wished stay so", async (t) => {
  given(blocked("a", [3]))
    .when(block("b", [3, 4]), T0)
    .thenEvents(t, [blocked("b", [4])]);
  given(blocked("a", [3]))
    .when(block("b", [3]), T0)
    .thenDone(t);
  given(blocked("a", [3]))
    .when(unblock("b", [3, 4]), T0)
    .thenEvents(t, [unblocked("b", [3])]);
  given(placed("h", "ann", [4]))
    .when(unblock("b", [4, 5]), T0)
    .thenDone(t);
});

t.test("a key takes effect once", async (t) => {
  given(blocked("b", [3]), unblocked("u", [3]))
    .when(block("b", [3]), T0)
    .thenDone(t);
  given(blocked("b", [3]), unblocked("u", [3]), blocked("c", [3]))
    .when(unblock("u", [3]), T0)
    .thenDone(t);
  given(blocked("b", [3]))
    .when(block("b", [4], 2), T0)
    .thenRefused(t, { code: "idempotency_key_reused" });
  given(placed("h", "ann", [4]))
    .when(block("h", [5], 2), T0)
    .thenRefused(t, { code: "idempotency_key_reused" });
  on({ cold: ["b"] })
    .given(blocked("b", [3]))
    .when(block("b", [3]), T0)
    .thenFetches(t, { booking: undefined, operation: operationId("b") });
});

t.test("seats that no hall has, or one named twice, are a bug of the caller and change nothing", async (t) => {
  for (const seats of [[30], [-1], [0.5], [3, 3]]) {
    for (const make of [block, unblock])
      t.throws(() => given().when(make("b", seats), T0), { name: "AssertionError" }, `seats ${seats}`);
  }
});
