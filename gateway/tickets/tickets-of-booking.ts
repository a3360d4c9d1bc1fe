// The tickets as a booking shows them, and who may have them signed.
// D1: whoever asks for one booking gets its tokens, always: at most ten signatures.
// D2: an answer that only carries tickets along (a confirm's, a list's) signs within a budget, so that signing cannot slow
//     down selling: 100 signatures a second, 0.4 % of a core. Beyond it a token is null, and the booking has it.

import type { Clock } from "../../shared/platform/clock.ts";
import type { BookingView } from "../../shared/protocol/reply.ts";
import type { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import { type HallSeats, labelIn } from "../show-lookup.ts";

export interface TicketJson {
  readonly seat: string;
  readonly token: string | null;
  readonly svg: string;
  readonly png: string;
  readonly used_at: string | null;
}

/** A seat's token, or null where it is not to be had now. */
export type TokenOf = (booking: BookingView, seat: string) => string | null;

export interface TicketDesk {
  /** For whoever asks for this booking (D1). */
  readonly onRequest: TokenOf;
  /** For answers about something else (D2). */
  readonly inPassing: TokenOf;
}

/** A second's worth of signatures may be had at once. */
export const SIGNATURES_PER_S = 100;

export function ticketDesk(tokens: TicketTokens, clock: Clock): TicketDesk {
  let left = SIGNATURES_PER_S;
  let countedAt = Number.NEGATIVE_INFINITY;
  const onRequest: TokenOf = (booking, seat) => tokens.of(booking.id, booking.showId, seat);
  const inPassing: TokenOf = (booking, seat) => {
    const known = tokens.recall(booking.id, seat);
    if (known !== undefined) return known;
    const now = clock.now();
    const earned = Math.floor(((now - countedAt) * SIGNATURES_PER_S) / 1000);
    if (earned > 0) {
      left = Math.min(SIGNATURES_PER_S, left + earned);
      countedAt = now;
    }
    if (left === 0) return null;
    left -= 1;
    return onRequest(booking, seat);
  };
  return { onRequest, inPassing };
}

/** Of a booking that is not booked there are none. */
export function ticketsOf(booking: BookingView, hall: HallSeats, tokenOf: TokenOf): TicketJson[] {
  if (booking.status !== "booked") return [];
  return booking.seats.map((index) => {
    const seat = labelIn(hall)(index);
    const path = `/v1/bookings/${booking.id}/tickets/${encodeURIComponent(seat)}`;
    const use = booking.used?.find((each) => each.seat === index);
    return {
      seat,
      token: tokenOf(booking, seat),
      svg: `${path}.svg`,
      png: `${path}.png`,
      used_at: use === undefined ? null : rfc3339(use.at),
    };
  });
}
