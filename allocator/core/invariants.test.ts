// Each invariant broken by hand is reported: what proves the other tests' last line.

import t from "tap";
import type { BookingId } from "../../shared/kernel/ids.ts";
import { begun, booking, given, placed, session, T0, TTL } from "../../test/core/specification.ts";
import { violations } from "./invariants.ts";
import type { Booking, DeadlineKind, ShowState } from "./state.ts";

const sound = (): ShowState =>
  given(
    placed("h", "ann", [0, 1]),
    placed("p", "bob", [2]),
    begun("p", "pay"),
    placed("s", "eve", [3]),
    begun("s", "sale"),
    {
      kind: "BookingConfirmed",
      id: booking("s"),
      reference: "pi",
    },
  ).state();
const hold = (state: ShowState): Booking => state.bookings.get(booking("h")) as Booking;

const stand = (state: ShowState, kind: DeadlineKind, id: BookingId, at: number): void =>
  state.deadlines.stand(kind, 1, state.bookings.rowOf(id), at);

t.test("a sound state has none", async (t) => t.same(violations(sound()), []));

const broken: Record<string, (state: ShowState) => void> = {
  "a seat in two bookings": (state) => {
    state.bookings.set("x" as BookingId, { ...hold(state), id: "x" as BookingId, status: "booked", seats: [0] });
  },
  "a held seat that is free": (state) => {
    state.seats[0] = 0;
  },
  "a booked seat that is free": (state) => {
    state.seats[3] = 0;
  },
  "a held seat that is nobody's": (state) => {
    state.seats[9] = 1;
    state.free[0] = (state.free[0] ?? 0) - 1;
    state.held[0] = (state.held[0] ?? 0) + 1;
  },
  "a state no seat has": (state) => {
    state.seats[9] = 4;
    state.free[0] = (state.free[0] ?? 0) - 1;
  },
  "free miscounted": (state) => {
    state.free[0] = 25;
  },
  "held miscounted": (state) => {
    state.held[0] = 4;
  },
  "a session's seats miscounted": (state) => {
    state.sessionSeats.set(session("ann"), 1);
  },
  "a session without seats": (state) => {
    state.sessionSeats.set(session("zoe"), 0);
  },
  "a session above 10": (state) => {
    const seats = Array.from({ length: 11 }, (_, i) => 10 + i);
    state.bookings.set("x" as BookingId, { ...hold(state), id: "x" as BookingId, session: session("zoe"), seats });
    state.sessionSeats.set(session("zoe"), 11);
    stand(state, "hold", "x" as BookingId, T0 + TTL);
  },
  "no deadline": (state) => state.deadlines.leave(state.bookings.rowOf(booking("h"))),
  "a wrong deadline": (state) => stand(state, "hold", booking("h"), T0 + 1),
  "a payment's wrong deadline": (state) => stand(state, "paying", booking("p"), T0 + 1),
  "two deadlines": (state) =>
    state.deadlines.stand(
      "hold",
      1,
      state.bookings.set("x" as BookingId, { ...hold(state), status: "released" }),
      T0 + TTL,
    ),
  "a deadline of what ended": (state) => stand(state, "hold", booking("s"), T0 + TTL),
};

for (const [name, damage] of Object.entries(broken)) {
  t.test(`${name} is found`, async (t) => {
    const state = sound();
    damage(state);
    t.not(violations(state).length, 0);
  });
}
