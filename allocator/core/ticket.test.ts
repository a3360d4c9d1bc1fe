// UseTicket by given/when/then: once a seat, for the key that did it for ever, and what it keeps from being cancelled.

import t from "tap";
import type { BookingId } from "../../shared/kernel/ids.ts";
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
import type { ShowCommand } from "./command.ts";
import type { ShowEvent, TicketUsed } from "./event.ts";

const id = booking("h");
const DOORS = T0 + 3_600_000;

const use = (key: string, more: { seat?: number; gate?: string; hash?: number; of?: BookingId } = {}): ShowCommand => ({
  kind: "UseTicket",
  operation: operation(key, more.hash ?? 1),
  bookingId: more.of ?? id,
  seat: more.seat ?? 0,
  gate: more.gate ?? "north",
});
const used = (key: string, seat = 0, gate = "north"): TicketUsed => ({
  kind: "TicketUsed",
  id,
  seat,
  gate,
  operation: operationId(key),
  requestHash: 1,
});
const cancel: ShowCommand = {
  kind: "CancelBooking",
  session: session("ann"),
  operation: operation("c"),
  bookingId: id,
};

const HOLD = placed("h", "ann", [0, 1]);
const SOLD: ShowEvent = {
  kind: "BookingConfirmed",
  id,
  begun: { operation: operationId("p"), requestHash: 1, paymentToken: "pm_card_visa" },
};
const CANCELLED: ShowEvent = { kind: "BookingCancelled", id, reason: "show_cancelled" };

t.test("a ticket lets in once, and each seat has its own", async (t) => {
  const first = given(HOLD, SOLD)
    .when(use("u"), DOORS)
    .thenEvents(t, [used("u")]);
  t.strictSame(first.state.bookings.get(id)?.used, [{ seat: 0, at: DOORS, gate: "north" }]);
  t.equal(first.state.seats[0], 2, "the seat is sold as before");
  const past = [HOLD, SOLD, at(DOORS, used("u"))];
  given(...past)
    .when(use("v", { gate: "south" }), DOORS + 1)
    .thenRefused(t, { code: "ticket_used", uses: [{ seat: 0, at: DOORS, gate: "north" }] });
  const second = given(...past)
    .when(use("w", { seat: 1, gate: "south" }), DOORS + 2)
    .thenEvents(t, [used("w", 1, "south")]);
  t.strictSame(second.state.bookings.get(id)?.used, [
    { seat: 0, at: DOORS, gate: "north" },
    { seat: 1, at: DOORS + 2, gate: "south" },
  ]);
});

t.test("the key that used it is answered the same, whatever came after", async (t) => {
  const past = [HOLD, SOLD, at(DOORS, used("u"))];
  given(...past)
    .when(use("u"), DOORS + 1)
    .thenAnswers(t, "h", "booked", { replayed: true });
  given(...past, at(DOORS + 1, CANCELLED))
    .when(use("u"), DOORS + 2)
    .thenAnswers(t, "h", "cancelled", { replayed: true });
  given(...past)
    .when(use("u", { hash: 2 }), DOORS + 1)
    .thenRefused(t, { code: "idempotency_key_reused" });
});

t.test("what is no ticket opens nothing", async (t) => {
  given(HOLD, SOLD, CANCELLED).when(use("u"), DOORS).thenRefused(t, { code: "ticket_cancelled" });
  given(HOLD, SOLD)
    .when(use("u", { seat: 2 }), DOORS)
    .thenRefused(t, { code: "not_found" });
  given(HOLD).when(use("u"), T0).thenRefused(t, { code: "not_found" });
  given(HOLD, begun("h", "p")).when(use("u"), T0).thenRefused(t, { code: "not_found" });
  given()
    .when(use("u", { of: booking("nobodys") }), T0, { looked: true })
    .thenRefused(t, { code: "not_found" });
});

t.test("a cold booking, or a key that may be an old one, is read before", async (t) => {
  on({ cold: ["h", "p"] })
    .given(HOLD, SOLD)
    .when(use("u"), DOORS)
    .thenFetches(t, { booking: id, operation: operationId("u") });
  on({ cold: ["u"] })
    .given(HOLD, SOLD, at(DOORS, used("u")))
    .when(use("u"), DOORS + 1)
    .thenFetches(t, { booking: id, operation: operationId("u") });
});

t.test("a booking of which a ticket was used is not cancelled by its holder", async (t) => {
  given(HOLD, SOLD, at(DOORS, used("u")))
    .when(cancel, DOORS + 1)
    .thenRefused(t, { code: "ticket_used", uses: [{ seat: 0, at: DOORS, gate: "north" }] });
  given(HOLD, SOLD)
    .when(cancel, T0 + 1)
    .thenEvents(t, [
      {
        kind: "BookingCancelled",
        id,
        reason: "cancelled_by_holder",
        operation: operationId("c"),
        requestHash: 1,
      },
    ]);
});

for (const [what, event] of [
  ["twice", used("v")],
  ["of a seat that is not in it", used("v", 2)],
] as const) {
  t.test(`a log that says a ticket was used ${what} is not followed`, async (t) => {
    t.throws(() =>
      given(HOLD, SOLD, at(DOORS, used("u")), at(DOORS + 1, event))
        .when({ kind: "Tick" }, DOORS + 2)
        .thenDone(t),
    );
  });
}

t.test("a cancelled show's tickets let nobody in, also before their bookings are cancelled one by one", async (t) => {
  const cancelled = on({ terms: { cancelled: true } }).given(HOLD, SOLD);
  cancelled.when(use("k"), DOORS).thenRefused(t, { code: "ticket_cancelled" });
  on({ terms: { cancelled: true } })
    .given(HOLD, SOLD, used("k"))
    .when(use("k"), DOORS)
    .thenAnswers(t, "h", "booked", { replayed: true });
});
