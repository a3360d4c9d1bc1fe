// What each refusal says to the person who reads it: what happened and what to do next. Status numbers are problem.ts's.
// F1: a refusal that can be waited out names the way into the line; one that cannot never does.
// F2: a refusal that asks for other input names the field.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { ShowId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Refusal, RefusalCode } from "../../shared/protocol/reply.ts";
import { endText, fullText, type Wish } from "./line-words.ts";
import { notFound, notYours, type Problem } from "./problem.ts";
import { rfc3339 } from "./rfc3339.ts";

/** How long to wait before asking again when seats are held by others, and when a payment is under way. */
const RETRY_HELD_S = 5;
const RETRY_PAYING_S = 2;
/** An offer comes when seats do; the long poll hears of it at once. */
const RETRY_OFFER_S = 5;
/** A line of a quarter of a million moves at the pace of sales. */
const RETRY_LINE_S = 60;

type LabelOf = (seat: number) => string;

/** What was asked, as far as the words of a refusal need it. */
export interface Asked {
  /** What is not there when the show says so. */
  readonly what: "show" | "booking" | "waiter";
  readonly showId: ShowId;
  /** The label of a seat index of the show. */
  readonly labelOf: LabelOf;
  readonly waiterId?: WaiterId | undefined;
  /** Where seats were asked for. */
  readonly wish?: Wish | undefined;
}

const joinAt = (showId: ShowId): string => `join the waitlist with POST /v1/shows/${showId}/waitlist`;

export function refusalProblem(refusal: Refusal, asked: Asked): Problem {
  const { labelOf, showId } = asked;
  const { code } = refusal;
  switch (code) {
    case "not_found":
      return asked.what === "show" ? notFound("show") : notYours(asked.what);
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
      return { code, free: refusal.free, detail: fullText(refusal.free, asked.wish) };
    case "waitlist_active":
      return {
        code,
        free: refusal.free,
        detail: `People in line wait for these seats: ${joinAt(showId)}, or wait for your offer if you have joined.`,
      };
    case "retry_held":
      return {
        code,
        free: refusal.free,
        retryAfterS: RETRY_HELD_S,
        detail: `Too few seats are free, but others are only held and may come back: ${joinAt(showId)}, try again soon, or ask for fewer.`,
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
      return waitlistProblem(refusal, asked);
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

function waitlistProblem(refusal: WaitlistRefusal, { waiterId }: Asked): Problem {
  const { code } = refusal;
  switch (code) {
    case "already_waiting":
      return {
        code,
        more: { waiter_id: refusal.waiterId },
        detail: `This session waits in this line already: GET /v1/waitlist/${refusal.waiterId} says how it goes.`,
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
        detail: `No seats are offered yet; wait for the offer with GET /v1/waitlist/${waiterId ?? "{waiter_id}"}?wait=30&after={version}.`,
      };
    case "offer_lapsed":
      return {
        code,
        more: { waiter_state: refusal.status, lock_id: refusal.holdId },
        detail: endText(refusal.status, refusal) ?? "There is no offer; read the place in the line.",
      };
    case "offer_open":
      return { code, detail: "Seats are offered to you now; accept or decline the offer first." };
    case "waiter_finished":
      return {
        code,
        more: { waiter_state: refusal.status },
        detail: endText(refusal.status) ?? "This place in the line is no longer there.",
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
