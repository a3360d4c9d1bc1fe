// Which answers sign: one that was asked for its booking always, one that only carries tickets within its budget.

import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import type { BookingView } from "../../shared/protocol/reply.ts";
import { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import { FakeShows } from "../fake-allocator.ts";
import type { HallSeats } from "../show-lookup.ts";
import { SIGNATURES_PER_S, ticketDesk, ticketsOf } from "./tickets-of-booking.ts";

const SHOW = "show-1" as ShowId;
const hall = new FakeShows(30).peek(SHOW)?.hall as HallSeats;

const bookingOf = (name: string, more: Partial<BookingView> = {}): BookingView => ({
  id: `${SHOW}.${name.padEnd(22, "-")}` as BookingId,
  showId: SHOW,
  session: "ann" as SessionId,
  status: "booked",
  version: 1,
  seats: [0, 10],
  total: 1,
  currency: "USD",
  createdAt: 0,
  expiresAt: 0,
  bookedAt: 0,
  reason: undefined,
  used: undefined,
  ...more,
});

t.test("one a seat, with its links and its use; none of what is not booked", async (t) => {
  const { onRequest } = ticketDesk(new TicketTokens(generateKeyPairSync("ed25519").privateKey), { now: () => 0 });
  const booking = bookingOf("a", { used: [{ seat: 10, at: 1_800_000_000_000, gate: "north" }] });
  const path = `/v1/bookings/${booking.id}/tickets`;
  t.match(ticketsOf(booking, hall, onRequest), [
    { seat: "A1", token: /^e/, svg: `${path}/A1.svg`, png: `${path}/A1.png`, used_at: null },
    { seat: "B1", token: /^e/, svg: `${path}/B1.svg`, used_at: "2027-01-15T08:00:00.000Z" },
  ]);
  for (const status of ["held", "paying", "expired", "released", "declined", "cancelled"] as const) {
    t.same(ticketsOf({ ...booking, status }, hall, onRequest), []);
  }
  const odd: HallSeats = { ...hall, labels: ["Ä/?#1"] };
  const [ticket] = ticketsOf(bookingOf("b", { seats: [0] }), odd, onRequest);
  t.match(ticket, { seat: "Ä/?#1", svg: /\/tickets\/%C3%84%2F%3F%231\.svg$/ });
});

t.test("answers that carry tickets sign so many a second; who asks for a booking has its tokens", async (t) => {
  const clock = { ms: 1_800_000_000_000, now: () => clock.ms };
  const desk = ticketDesk(new TicketTokens(generateKeyPairSync("ed25519").privateKey), clock);
  const signedOf = (from: number, count: number): number => {
    let signed = 0;
    for (let i = from; i < from + count; i += 1) {
      if (desk.inPassing(bookingOf(`n${i}`), "A1") !== null) signed += 1;
    }
    return signed;
  };
  t.equal(signedOf(0, 1_000), SIGNATURES_PER_S, "a second's worth at once");
  clock.ms += 100;
  t.equal(signedOf(1_000, 1_000), SIGNATURES_PER_S / 10, "then as they are earned");
  clock.ms += 9;
  t.equal(signedOf(2_000, 10), 0, "nine tenths of one are none");
  clock.ms += 1;
  t.equal(signedOf(3_000, 10), 1, "and are not lost");
  clock.ms -= 60_000;
  t.equal(signedOf(4_000, 10), 0, "a clock that goes back gives none");
  const late = bookingOf("n4001");
  const token = desk.onRequest(late, "A1");
  t.type(token, "string");
  t.equal(desk.inPassing(late, "A1"), token, "what was signed lately costs nothing");
  clock.ms += 3_600_000;
  t.equal(signedOf(5_000, 1_000), SIGNATURES_PER_S, "an hour saves up no more than a second");
});
