// What each refusal says to the person who reads it: what happened and what to do next. Status numbers are problem.ts's.
// F1: a refusal that can be waited out names the way into the line; one that cannot never does.
// F2: a refusal that asks for other input names the field.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { Refusal, RefusalCode, WaiterStatus } from "../../shared/protocol/reply.ts";
import { notFound, type Problem } from "./problem.ts";
import { rfc3339 } from "./rfc3339.ts";

/** How long to wait before asking again when seats are held by others, and when a payment is under way. */
const RETRY_HELD_S = 5;
const RETRY_PAYING_S = 2;
/** An offer comes when seats do; the long poll hears of it at once. */
const RETRY_OFFER_S = 5;
/** A line of a quarter of a million moves at the pace of sales. */
const RETRY_LINE_S = 60;

const JOIN = "join the waitlist with POST /v1/shows/{show_id}/waitlist";

type LabelOf = (seat: number) => string;

/** `labelOf`: the label of a seat index of the show that refused. */
export function refusalProblem(refusal: Refusal, labelOf: LabelOf): Problem {
  const { code } = refusal;
  switch (code) {
    case "not_found":
      return notFound("booking, waiter or show");
    case "sales_closed":
      return { code, detail: "This show is no longer on sale; choose another one." };
    case "not_admitted":
      return { code, detail: "This on-sale admits people in order; join its queue and come back when admitted." };
    case "hold_limit":
      return {
        code,
        detail: `A session may hold and wait for 10 seats of a show; this one has ${refusal.held}. Release some or ask for fewer.`,
        more: { held: refusal.held },
      };
    case "show_full":
      return { code, free: refusal.free, detail: "So many seats can no longer be had; ask for fewer or another show." };
    case "waitlist_active":
      return { code, free: refusal.free, detail: `Others wait for these seats; ${JOIN}.` };
    case "retry_held":
      return {
        code,
        free: refusal.free,
        retryAfterS: RETRY_HELD_S,
        detail: `Too few seats are free, but others are only held and may come back: ${JOIN}, try again soon, or ask for fewer.`,
      };
    case "seats_taken":
    case "single_gap":
    case "no_contiguous_block":
      return seatsProblem(refusal, labelOf);
    case "already_extended":
    case "hold_expired":
    case "payment_in_progress":
    case "payment_declined":
    case "already_booked":
      return bookingProblem(refusal);
    case "quantity_not_lower":
    case "wrong_swap":
      return inputProblem(refusal, labelOf);
    case "idempotency_key_reused":
      return { code, detail: "This key belongs to another request; use a new key for a new request." };
    default:
      return waitlistProblem(refusal);
  }
}

type Of<Codes extends RefusalCode> = Extract<Refusal, { code: Codes }>;

function seatsProblem(refusal: Of<"seats_taken" | "single_gap" | "no_contiguous_block">, labelOf: LabelOf): Problem {
  const { code } = refusal;
  switch (code) {
    case "seats_taken":
      return {
        code,
        seats: refusal.seats.map(labelOf),
        free: refusal.free,
        detail: "The seats named are taken; choose others from the seat map.",
      };
    case "single_gap":
      return {
        code,
        seats: refusal.block.map(labelOf),
        more: { stranded: labelOf(refusal.stranded) },
        detail: `Seat ${labelOf(refusal.stranded)} would be left alone; ${
          refusal.block.length > 0 ? "take the seats named instead" : "choose other seats"
        }.`,
      };
    case "no_contiguous_block":
      return { code, free: refusal.free, detail: "So many adjacent seats are not free; ask without `contiguous`." };
    default:
      return assertNever(refusal);
  }
}

type BookingRefusal = Of<
  "already_extended" | "hold_expired" | "payment_in_progress" | "payment_declined" | "already_booked"
>;

function bookingProblem(refusal: BookingRefusal): Problem {
  const { code } = refusal;
  switch (code) {
    case "already_extended":
      return {
        code,
        more: { expires_at: rfc3339(refusal.expiresAt) },
        detail: "A hold can be extended once; confirm it before it runs out.",
      };
    case "hold_expired":
      return { code, more: { booking_status: refusal.status }, detail: "This hold is over; lock seats again." };
    case "payment_in_progress":
      return { code, retryAfterS: RETRY_PAYING_S, detail: "This booking is being paid; read it to learn the outcome." };
    case "payment_declined":
      return {
        code,
        more: { reason: refusal.reason },
        detail: "The payment was declined; lock seats again and pay by other means.",
      };
    case "already_booked":
      return { code, detail: "This booking is paid; read it instead." };
    default:
      return assertNever(refusal);
  }
}

type WaitlistRefusal = Of<
  | "already_waiting"
  | "seats_available"
  | "waitlist_full"
  | "no_offer"
  | "offer_lapsed"
  | "offer_open"
  | "waiter_finished"
>;

function waitlistProblem(refusal: WaitlistRefusal): Problem {
  const { code } = refusal;
  switch (code) {
    case "already_waiting":
      return {
        code,
        more: { waiter_id: refusal.waiterId },
        detail: "This session waits in this line already; read `waiter_id` with GET /v1/waitlist/{waiter_id}.",
      };
    case "seats_available":
      return {
        code,
        free: refusal.free,
        detail: "There is nothing to wait for: choose seats and lock them with POST /v1/bookings/lock.",
      };
    case "waitlist_full":
      return {
        code,
        retryAfterS: RETRY_LINE_S,
        detail: "Nobody more can be taken into this line now; try again later.",
      };
    case "no_offer":
      return {
        code,
        retryAfterS: RETRY_OFFER_S,
        detail:
          "No seats are offered yet; wait for the offer with GET /v1/waitlist/{waiter_id}?wait=30&after={version}.",
      };
    case "offer_lapsed":
      return {
        code,
        more: { waiter_state: refusal.status },
        detail: ENDED[refusal.status] ?? "There is no offer; read the place in the line.",
      };
    case "offer_open":
      return { code, detail: "Seats are offered to you now; accept or decline the offer first." };
    case "waiter_finished":
      return {
        code,
        more: { waiter_state: refusal.status },
        detail: ENDED[refusal.status] ?? "This place in the line is no longer there.",
      };
    default:
      return assertNever(refusal);
  }
}

function inputProblem(refusal: Of<"quantity_not_lower" | "wrong_swap">, labelOf: LabelOf): Problem {
  if (refusal.code === "quantity_not_lower") {
    const message = `must be less than ${refusal.quantity}, which is waited for now`;
    return {
      code: refusal.code,
      errors: [{ field: "quantity", message }],
      detail: `quantity: ${message}; to have more, leave and join again.`,
    };
  }
  const seats = refusal.seats.map(labelOf);
  const message =
    seats.length === 0
      ? `must name ${refusal.quantity}, as many as are offered`
      : `must be of the categories waited for; ${seats.join(", ")} ${seats.length === 1 ? "is" : "are"} not`;
  return {
    code: refusal.code,
    seats,
    errors: [{ field: "seat_ids", message }],
    detail: `seat_ids: ${message}. The offer stands as it was: accept it, or name other seats.`,
  };
}

/** How a place in the line ended and what can be done now, for people; nothing while it is alive. */
export const ENDED: Readonly<Record<WaiterStatus, string | undefined>> = {
  waiting: undefined,
  offered: undefined,
  accepted: "The offer was taken: pay for the hold before it runs out.",
  declined: "The offer was declined, which ends the place in the line; join again to wait for other seats.",
  lapsed: "The offer was not taken in time, which ends the place in the line; join again to wait for other seats.",
  cancelled: "You left the line; join again to wait once more.",
  expired: "The place in the line has ended after an hour; join again to go on waiting.",
  hopeless:
    "So many seats can no longer become free; join again for fewer or for more categories, or choose another show.",
  absent: "Nobody asked about this place for five minutes, so it was given up; join again and keep polling.",
  closed: "The line is closed: sales of this show have ended or it was cancelled; choose another show.",
};
