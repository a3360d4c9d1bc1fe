// What a command about the waitlist should come to, by the auditor's books. See verdict.ts.

import type {
  AcceptOffer,
  DeclineOffer,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  ReadWaiter,
} from "../../shared/protocol/command.ts";
import type { Auditor } from "./auditor.ts";
import { closingOf, type Party } from "./line-oracle.ts";

const READABLE_FOR_MS = 24 * 3_600_000;

export function joinVerdict(books: Auditor, command: JoinWaitlist, at: number): string {
  const prior = books.priorOf(command.operation);
  if (prior !== "new") return prior === "same" ? "answer_waiter" : "idempotency_key_reused";
  const { line, terms } = books;
  if (at >= closingOf(terms)) return "sales_closed";
  if (terms.gated) return "not_admitted";
  if (line.ofSession(command.session) !== undefined) return "already_waiting";
  if (books.seatsOf(command.session) + command.quantity > 10) return "hold_limit";
  const isPossible = (seat: number): boolean => books.statusOf(seat) < 2;
  if (!line.canSeat(command, line.seatsFor(command, isPossible))) return "show_full";
  const isOpen = (seat: number): boolean => books.statusOf(seat) === 0 && !line.claims(seat);
  return line.canSeat(command, line.seatsFor(command, isOpen)) ? "seats_available" : "accept";
}

type AboutWaiter = ReadWaiter | LowerWaiter | LeaveWaitlist | AcceptOffer | DeclineOffer;

export function aboutWaiter(books: Auditor, command: AboutWaiter, at: number): string {
  const party = books.line.get(command.waiterId);
  if (party === undefined || party.session !== command.session) return "not_found";
  if (party.endedAt !== undefined && at - party.endedAt >= READABLE_FOR_MS) return "not_found";
  if (command.kind === "ReadWaiter") return "answer_waiter";
  const prior = books.priorOf(command.operation);
  if (prior === "reused") return "idempotency_key_reused";
  if (prior === "same") return command.kind === "AcceptOffer" ? "answer" : "answer_waiter";
  const { status } = party;
  switch (command.kind) {
    case "LowerWaiter":
      if (status === "offered") return "offer_open";
      if (status !== "waiting") return "waiter_finished";
      if (command.quantity > party.quantity) return "quantity_not_lower";
      return command.quantity < party.quantity ? "accept" : "answer_waiter";
    case "LeaveWaitlist":
      return status === "waiting" || status === "offered" ? "accept" : "answer_waiter";
    case "DeclineOffer":
      if (status === "declined") return "answer_waiter";
      return status === "waiting" ? "no_offer" : status === "offered" ? "accept" : "offer_lapsed";
    case "AcceptOffer":
      if (status === "waiting") return "no_offer";
      if (party.offer === undefined) return "offer_lapsed";
      return swapVerdict(books, party, { own: party.offer.seats, chosen: command.seats ?? party.offer.seats });
  }
}

/** Exactly n seats of its categories, each free to it or among its own offered ones. */
function swapVerdict(
  books: Auditor,
  party: Party,
  { own, chosen }: { own: readonly number[]; chosen: readonly number[] },
): string {
  const { line, terms, hall } = books;
  const isForeign = (seat: number): boolean => !party.categories.includes(hall.category[seat] as number);
  if (chosen.length !== party.quantity || chosen.some(isForeign)) return "wrong_swap";
  const others = chosen.filter((seat) => !own.includes(seat));
  if (others.length === 0) return "accept";
  // It had its turn: only those before it claim anything from it, and in first_fit no waiter does.
  const isClaimed = others.some((seat) => terms.waitlistPolicy === "strict" && line.claims(seat, party));
  const isTaken = others.some((seat) => books.statusOf(seat) !== 0);
  // The specification orders the refusals of locks; of a swap that meets a claim and a taken seat either is true.
  if (isClaimed && isTaken) return "seats_taken|waitlist_active";
  if (isTaken) return "seats_taken";
  if (isClaimed) return "waitlist_active";
  return isStranding(books, chosen, own) ? "single_gap" : "accept";
}

/** Whether taking `chosen`, and giving up those of `own` that are not, strands one seat where the show refuses that. */
export function isStranding(books: Auditor, chosen: readonly number[], own: readonly number[]): boolean {
  if (books.terms.singleGap !== "reject") return false;
  const { left, right } = books.hall;
  const isTaken = (seat: number): boolean =>
    chosen.includes(seat) || (books.statusOf(seat) !== 0 && !own.includes(seat));
  const isStranded = (seat: number): boolean => {
    const beside = [left[seat] as number, right[seat] as number];
    return !isTaken(seat) && beside.every((n) => n >= 0 && isTaken(n)) && beside.some((n) => chosen.includes(n));
  };
  return books.seatsWhere(isStranded).length > 0;
}
