// Words for people about what can never be had, and about how a place in the line ended: true whenever they are read.

import type { BookingId } from "../../shared/kernel/ids.ts";
import type { WaiterStatus } from "../../shared/protocol/reply.ts";

/** What somebody asked for, as far as it decides what else to ask for. */
export interface Wish {
  readonly quantity: number;
  /** A refusal may be for want of adjacent seats. */
  readonly contiguous: boolean;
  /** It named categories, and there are others. */
  readonly isNarrowed: boolean;
}

/** `free`: seats that this request could be given. */
export function fullText(free: number, wish: Wish | undefined): string {
  if (wish === undefined) return "So many seats can no longer be had; ask for fewer, or choose another show.";
  const { quantity, isNarrowed } = wish;
  if (quantity === 1) return isNarrowed ? `What you named is sold out; ask ${elsewhere(wish)}.` : SOLD_OUT;
  const subject =
    wish.contiguous && free >= quantity
      ? "So many seats side by side can no longer be had"
      : `So many seats can no longer be had${wish.contiguous ? ", or not side by side" : ""}`;
  return `${subject}; ask ${elsewhere(wish)}.`;
}

function hopelessText(wish: Wish | undefined): string {
  if (wish === undefined) {
    return "So many seats can no longer become free; join again for fewer, or choose another show.";
  }
  const { quantity, contiguous, isNarrowed } = wish;
  if (quantity === 1) return isNarrowed ? `What you waited for is sold out; join again ${elsewhere(wish)}.` : SOLD_OUT;
  const subject = `So many seats can no longer become free${contiguous ? ", or not side by side" : ""}`;
  return `${subject}; join again ${elsewhere(wish)}.`;
}

const SOLD_OUT = "This show is sold out; choose another one.";

/** `without …, for fewer or for other categories, or choose another show`: whatever of it helps. */
function elsewhere({ quantity, contiguous, isNarrowed }: Wish): string {
  const ways: string[] = [];
  if (quantity > 1 && contiguous) ways.push("without `contiguous`");
  if (quantity > 1) ways.push("for fewer");
  if (isNarrowed) ways.push("for other categories");
  return `${ways.join(" or ")}, or choose another show`;
}

interface Ended {
  readonly holdId?: BookingId | undefined;
  readonly wish?: Wish | undefined;
}

/** How a place in the line ended and what can be done now; nothing while it is alive. */
export function endText(status: WaiterStatus, { holdId, wish }: Ended = {}): string | undefined {
  if (status === "hopeless") return hopelessText(wish);
  if (status !== "accepted") return ENDED[status];
  return holdId === undefined
    ? "The offer was taken; its hold is `lock_id` of GET /v1/waitlist/{waiter_id}."
    : `The offer was taken; its hold is ${holdId}: GET /v1/bookings/${holdId} says what became of it.`;
}

const ENDED: Readonly<Record<Exclude<WaiterStatus, "hopeless" | "accepted">, string | undefined>> = {
  waiting: undefined,
  offered: undefined,
  declined: "The offer was declined, which ends the place in the line; join again to wait for other seats.",
  lapsed: "The offer was not taken in time, which ends the place in the line; join again to wait for other seats.",
  cancelled: "You left the line; join again to wait once more.",
  expired: "The place in the line has ended after an hour; join again to go on waiting.",
  absent: "Nobody asked about this place for five minutes, so it was given up; join again and keep polling.",
  closed: "The line is closed: sales of this show have ended or it was cancelled; choose another show.",
};
