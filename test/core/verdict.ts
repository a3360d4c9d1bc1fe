// What a command should come to, by the auditor's books: the specification's rules once more, written as plainly as
// can be. Answers a decision's kind or a refusal's code; several between bars where either will do.

import type { SettlePayment, ShowCommand } from "../../allocator/core/command.ts";
import type { Rules } from "../../allocator/core/decision.ts";
import type { BookingId, SessionId } from "../../shared/kernel/ids.ts";
import type { PlaceHold, UseTicket } from "../../shared/protocol/command.ts";
import type { Account } from "./account.ts";
import type { Auditor } from "./auditor.ts";
import { closingOf, hasBlock } from "./line-oracle.ts";
import { aboutWaiter, isStranding, joinVerdict } from "./waitlist-verdict.ts";

export interface Circumstances {
  readonly at: number;
  readonly rules: Rules;
  readonly paymentsAvailable: boolean;
}

export function verdict(books: Auditor, command: ShowCommand, circumstances: Circumstances): string {
  switch (command.kind) {
    case "Tick":
      return "done";
    case "ClearShow":
      if (!books.terms.cancelled || books.toClear().length === 0) return "done";
      // Those that are booked may be cold: bringing them in is not this rig's.
      return books.toClear().some(books.isLive) ? "accept" : "accept|done";
    case "ChangeTerms":
      return "accept";
    case "MoveDeadlines":
      return command.outageId > books.outageId ? "accept" : "done";
    case "PlaceHold":
      return placeVerdict(books, command, circumstances.at);
    case "SettlePayment":
      return settleVerdict(books, command);
    case "BlockSeats":
    case "UnblockSeats": {
      const prior = books.priorOf(command.operation);
      if (prior !== "new") return prior === "same" ? "done" : "idempotency_key_reused";
      const statuses = command.seats.map((seat) => books.statusOf(seat));
      if (command.kind === "UnblockSeats") return statuses.includes(3) ? "accept" : "done";
      if (statuses.some((status) => status === 1 || status === 2)) return "seats_taken";
      return statuses.includes(0) ? "accept" : "done";
    }
    case "JoinWaitlist":
      return joinVerdict(books, command, circumstances.at);
    case "ReadWaiter":
    case "LowerWaiter":
    case "LeaveWaitlist":
    case "AcceptOffer":
    case "DeclineOffer":
      return aboutWaiter(books, command, circumstances.at);
    case "CheckPayment":
      return "answer|done|not_found";
    case "UseTicket":
      return useVerdict(books, command);
    default:
      return aboutBooking(books, command, circumstances);
  }
}

function placeVerdict(books: Auditor, { choice, operation, session }: PlaceHold, at: number): string {
  const prior = books.priorOf(operation);
  if (prior !== "new") return prior === "same" ? "answer" : "idempotency_key_reused";
  const { terms, hall, line } = books;
  if (at >= closingOf(terms)) return "sales_closed";
  if (terms.gated) return "not_admitted";
  const wanted = choice.by === "seats" ? choice.seats.length : choice.quantity;
  if (books.seatsOf(session) + wanted > 10) return "hold_limit";
  const pool = books.seatsWhere(
    (seat) =>
      choice.by === "seats" ||
      ((choice.category === undefined || hall.category[seat] === choice.category) &&
        (choice.accessible || hall.accessible[seat] === 0)),
  );
  const free = pool.filter((seat) => books.statusOf(seat) === 0);
  const held = pool.filter((seat) => books.statusOf(seat) === 1);
  if (free.length + held.length < wanted) return "show_full";
  // Nobody barges: what somebody eligible waits for is not there for newcomers, now or when it is freed.
  const unclaimed = free.filter((seat) => !line.claims(seat));
  const meetsClaim =
    choice.by === "seats"
      ? choice.seats.some((seat) => line.claims(seat))
      : unclaimed.length < wanted && pool.some((seat) => line.claims(seat));
  if (meetsClaim) return "waitlist_active";
  if (unclaimed.length < wanted) return "retry_held";
  if (choice.by === "seats") {
    if (choice.seats.some((seat) => books.statusOf(seat) !== 0)) return "seats_taken";
    return isStranding(books, choice.seats, []) ? "single_gap" : "accept";
  }
  return choice.contiguous && !hasBlock(hall, unclaimed, wanted) ? "no_contiguous_block" : "accept";
}

function useVerdict(books: Auditor, { operation, bookingId, seat }: UseTicket): string {
  const prior = books.priorOf(operation);
  if (prior === "reused") return "idempotency_key_reused";
  const account = books.accounts.get(bookingId);
  if (account?.seats.includes(seat) !== true) return "not_found";
  if (prior === "same") return "answer";
  if (account.status === "cancelled") return "ticket_cancelled";
  if (account.status !== "booked") return "not_found";
  if (books.terms.cancelled) return "ticket_cancelled";
  return account.used.has(seat) ? "ticket_used" : "accept";
}

type AboutBooking = Extract<ShowCommand, { readonly session: SessionId; readonly bookingId: BookingId }>;

function aboutBooking(books: Auditor, command: AboutBooking, circumstances: Circumstances): string {
  const account = books.accounts.get(command.bookingId);
  if (account === undefined || account.session !== command.session) return "not_found";
  if (command.kind === "ReadBooking") return "answer";
  const prior = books.priorOf(command.operation);
  if (prior === "reused") return "idempotency_key_reused";
  if (command.kind === "ConfirmBooking") return confirmVerdict(account, prior, circumstances);
  if (prior === "same") return "answer";
  const { status } = account;
  if (command.kind === "ReleaseHold" && status === "released") return "answer";
  if (command.kind === "CancelBooking" && status === "cancelled") return "answer";
  if (status === "paying") return "payment_in_progress";
  if (command.kind === "CancelBooking" && status === "booked" && account.used.size > 0) return "ticket_used";
  if (command.kind === "CancelBooking" && status === "held") return "not_booked";
  if (command.kind === "CancelBooking" && status !== "booked") return "hold_expired";
  if (command.kind === "CancelBooking") {
    const isOpen = books.terms.cancelled || circumstances.at < books.terms.startsAt - circumstances.rules.cancelUntilMs;
    return isOpen ? "accept" : "cancellation_closed";
  }
  if (status === "booked") return "already_booked";
  if (status !== "held") return "hold_expired";
  return command.kind === "ExtendHold" && account.extended ? "already_extended" : "accept";
}

function confirmVerdict(account: Account, prior: "new" | "same", { rules, paymentsAvailable }: Circumstances): string {
  const { status } = account;
  if (prior === "new" && status === "paying") return "payment_in_progress";
  if (prior === "new" && status === "held") {
    return rules.instantPayments || account.total === 0 || paymentsAvailable ? "accept" : "payment_unavailable";
  }
  if (status === "paying" || status === "booked") return "answer";
  return status === "held" || status === "declined" ? "payment_declined" : "hold_expired";
}

function settleVerdict(books: Auditor, { bookingId, attempt, outcome }: SettlePayment): string {
  const account = books.accounts.get(bookingId);
  if (account === undefined || account.payment === "none" || account.attempts !== attempt) return "done";
  const { payment, status } = account;
  const mayStillBook =
    !books.terms.cancelled &&
    books.line.waiting().length === 0 &&
    books.seatsOf(account.session) === 0 &&
    account.seats.every((seat) => books.statusOf(seat) === 0);
  const accepted = {
    authorised: payment === "begun" || (payment === "voiding" && mayStillBook),
    declined: payment === "begun" || payment === "voiding",
    captured: payment === "authorised",
    capture_failed: payment === "authorised" && status === "booked",
    voided: payment === "voiding" || payment === "refunding",
    refunded: payment === "voiding" || payment === "refunding",
  }[outcome.kind];
  // A finished payment's booking may be cold: then there is nothing to answer with, and nothing to settle.
  return accepted ? "accept" : "answer|done";
}
