// The line of a fake show, for the gateway's tests: real waiters and refusals over plain maps. It serves nobody by itself:
// a test says who is offered what.

import type { WaiterId } from "../shared/kernel/ids.ts";
import { waiterIdOf } from "../shared/kernel/ids.ts";
import type { AcceptOffer, Command, JoinWaitlist } from "../shared/protocol/command.ts";
import type { BookingView, Refusal, Reply, WaiterStatus, WaiterView } from "../shared/protocol/reply.ts";
import type { FakeShow } from "./fake-allocator.ts";

const WAITER_MS = 3_600_000;
const OFFER_MS = 120_000;

export type LineCommand = Extract<
  Command,
  { kind: "JoinWaitlist" | "LowerWaiter" | "LeaveWaitlist" | "AcceptOffer" | "DeclineOffer" }
>;

export const isLineCommand = (command: Command): command is LineCommand => command.kind in LINE_COMMANDS;

const LINE_COMMANDS: Readonly<Record<LineCommand["kind"], true>> = {
  JoinWaitlist: true,
  LowerWaiter: true,
  LeaveWaitlist: true,
  AcceptOffer: true,
  DeclineOffer: true,
};

/** What the line does to its show: a turn each. */
export interface LineShow {
  readonly show: FakeShow;
  readonly now: () => number;
  commit(changes: readonly (readonly [seat: number, state: number])[], touched: readonly string[], kind: string): void;
  /** Seats taken by the waiter's hold. */
  hold(command: AcceptOffer, seats: readonly number[]): BookingView;
}

/** The rows are of ten; the first is `premium`. */
const categoryOf = (seat: number): number => (seat < 10 ? 0 : 1);

const isAlive = (waiter: WaiterView): boolean => waiter.status === "waiting" || waiter.status === "offered";
const reply = (waiter: WaiterView): Reply => ({ kind: "waiter", waiter, replayed: false });
const refused = (refusal: Refusal): Reply => ({ kind: "refused", refusal });

/** As it is now, with its place among those who wait. */
export function presentOf({ line }: FakeShow, id: WaiterId): WaiterView | undefined {
  const waiter = line.get(id);
  if (waiter?.status !== "waiting") return waiter;
  const waiting = [...line.values()].filter(({ status }) => status === "waiting");
  return { ...waiter, position: waiting.indexOf(waiter) + 1, estimatedWaitMs: 61_500 };
}

export function changeLine(at: LineShow, command: LineCommand): Reply {
  if (command.kind === "JoinWaitlist") return join(at, command);
  const waiter = at.show.line.get(command.waiterId);
  if (waiter === undefined || waiter.session !== command.session) return refused({ code: "not_found" });
  const { status } = waiter;
  if (command.kind === "AcceptOffer" || command.kind === "DeclineOffer") {
    if (status === "waiting") return refused({ code: "no_offer" });
    if (status === "declined" && command.kind === "DeclineOffer") return reply(waiter);
    if (status !== "offered") return refused({ code: "offer_lapsed", status, holdId: waiter.holdId });
    return command.kind === "AcceptOffer" ? accept(at, waiter, command) : endWaiter(at, waiter.id, "declined");
  }
  if (command.kind === "LeaveWaitlist") return isAlive(waiter) ? endWaiter(at, waiter.id, "cancelled") : reply(waiter);
  if (!isAlive(waiter)) return refused({ code: "waiter_finished", status });
  if (status === "offered") return refused({ code: "offer_open" });
  const { quantity } = command;
  if (quantity > waiter.quantity) return refused({ code: "quantity_not_lower", quantity: waiter.quantity });
  if (quantity === waiter.quantity) return reply(presentOf(at.show, waiter.id) ?? waiter);
  return write(at, waiter, { quantity }, [], "WaiterLowered");
}

function join(at: LineShow, command: JoinWaitlist): Reply {
  const { show } = at;
  const { session, quantity, categories, accessible, contiguous } = command;
  const there = [...show.line.values()].find((waiter) => waiter.session === session && isAlive(waiter));
  if (there !== undefined) return refused({ code: "already_waiting", waiterId: there.id });
  const accepted = show.seats.filter((_, seat) => categories.includes(categoryOf(seat)));
  const free = accepted.filter((state) => state === 0).length;
  if (free >= quantity) return refused({ code: "seats_available", free });
  if (accepted.filter((state) => state < 2).length < quantity) return refused({ code: "show_full", free });
  const joinedAt = at.now();
  const waiter: WaiterView = {
    id: waiterIdOf(show.showId, command.operation.id),
    showId: show.showId,
    session,
    quantity,
    categories,
    accessible,
    contiguous,
    status: "waiting",
    version: 0,
    position: 0,
    estimatedWaitMs: undefined,
    joinedAt,
    expiresAt: joinedAt + WAITER_MS,
    offer: undefined,
    holdId: undefined,
  };
  return write(at, waiter, {}, [], "WaiterJoined");
}

export function offerTo(at: LineShow, id: WaiterId, seats: readonly number[]): Reply {
  const waiter = known(at, id);
  const offer = { seats, total: 1_200 * seats.length, currency: "USD", expiresAt: at.now() + OFFER_MS };
  const changes = seats.map((seat) => [seat, 1] as const);
  return write(at, waiter, { status: "offered", offer }, changes, "OfferMade");
}

export function endWaiter(at: LineShow, id: WaiterId, status: WaiterStatus): Reply {
  const waiter = known(at, id);
  const changes = (waiter.offer?.seats ?? []).map((seat) => [seat, 0] as const);
  return write(at, waiter, { status, offer: undefined }, changes, "WaiterLeft");
}

function accept(at: LineShow, waiter: WaiterView, command: AcceptOffer): Reply {
  const own = waiter.offer?.seats ?? [];
  const seats = command.seats ?? own;
  const { quantity } = waiter;
  if (seats.length !== quantity) return refused({ code: "wrong_swap", quantity, seats: [] });
  const wrong = seats.filter((seat) => !waiter.categories.includes(categoryOf(seat)));
  if (wrong.length > 0) return refused({ code: "wrong_swap", quantity, seats: wrong });
  const taken = seats.filter((seat) => !own.includes(seat) && at.show.seats[seat] !== 0);
  const free = at.show.seats.filter((state) => state === 0).length;
  if (taken.length > 0) return refused({ code: "seats_taken", seats: taken, free });
  endWaiter(at, waiter.id, "accepted");
  const booking = at.hold(command, seats);
  at.show.line.set(waiter.id, { ...known(at, waiter.id), holdId: booking.id });
  return { kind: "booking", booking, replayed: false };
}

function known(at: LineShow, id: WaiterId): WaiterView {
  const waiter = at.show.line.get(id);
  if (waiter === undefined) throw new Error(`no waiter ${id}`);
  return waiter;
}

function write(
  at: LineShow,
  waiter: WaiterView,
  to: Partial<WaiterView>,
  changes: readonly (readonly [seat: number, state: number])[],
  kind: string,
): Reply {
  const { show } = at;
  show.line.set(waiter.id, { ...waiter, ...to, version: show.version + 1 });
  at.commit(changes, [waiter.id], kind);
  return reply(presentOf(show, waiter.id) ?? waiter);
}
