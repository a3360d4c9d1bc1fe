// The auditor's eye on the waitlist. Knows from the oracle alone who has to leave, who has to be served and in
// which order, and takes the turn's events off one by one as they should come.
// L1: everybody leaves at its own boundary, told which; never before.
// L2: after what was due, and again after the command: nobody hopeless is left, then the served are those who should be,
//     in the order they should be, and nobody who could be served is not.
// L3: an offer is exactly n seats of what its waiter accepts, unclaimed, in one block where asked; all or none.
// L4: between these, nothing else happens to the line but what the command was asked for.

import type { ShowCommand } from "../../allocator/core/command.ts";
import { nextAt } from "../../allocator/core/due.ts";
import type { HoldPlaced, OfferMade, ShowEvent, WaiterJoined } from "../../allocator/core/event.ts";
import type { WaitlistEvent } from "../../allocator/core/evolve-waitlist.ts";
import { queuedSeats, type ShowState } from "../../allocator/core/state.ts";
import { operationOf } from "../../shared/kernel/ids.ts";
import type { Refusal } from "../../shared/protocol/reply.ts";
import { isWaiting } from "../../waitlist/core/waiter.ts";
import type { Auditor } from "./auditor.ts";
import { closingOf, hasBlock, type Party, PLACE_ENDS_AFTER_MS } from "./line-oracle.ts";

/** When and as which log row the events happen. */
export interface Moment {
  readonly at: number;
  readonly seq: number;
}

const KINDS = new Set<ShowEvent["kind"]>([
  ...(["WaiterJoined", "WaiterLowered", "WaiterLeft"] as const),
  ...(["OfferMade", "OfferAccepted", "OfferDeclined", "OfferLapsed"] as const),
]);

export const isOfLine = (event: ShowEvent): event is WaitlistEvent => KINDS.has(event.kind);

export class LineAuditor {
  readonly #books: Auditor;

  constructor(books: Auditor) {
    this.#books = books;
  }

  /** Takes off `events` how everybody left whose time has come (L1). */
  settle(events: ShowEvent[], moment: Moment): void {
    const { line, terms } = this.#books;
    const closesAt = closingOf(terms);
    line.skipUnseen(moment.at);
    let last = Number.NEGATIVE_INFINITY;
    for (let due = line.active().filter((party) => line.endOf(party, closesAt).at <= moment.at); due.length > 0; ) {
      const event = events.shift();
      const isLeaving = event?.kind === "WaiterLeft" || event?.kind === "OfferLapsed";
      const party = isLeaving ? due.find(({ id }) => id === event.waiterId) : undefined;
      if (!isLeaving || party === undefined)
        return this.#complain(`${due[0]?.id} stays beyond its end: ${event?.kind}`);
      const status = event.kind === "WaiterLeft" ? event.status : "lapsed";
      const end = line.endOf(party, closesAt);
      if (!end.as.includes(status)) this.#complain(`${party.id} leaves as ${status}, not ${end.as}`);
      if (end.at < last) this.#complain(`${party.id} leaves after whoever was due later`);
      last = end.at;
      this.#leave(party, status, moment);
      due = due.filter((other) => other !== party);
    }
  }

  /** Takes off `events` who was told that it is hopeless, and what was offered (L2). */
  handOn(events: ShowEvent[], moment: Moment): void {
    const { line, terms, hall } = this.#books;
    if (moment.at >= closingOf(terms)) return;
    const status = (seat: number): number => this.#books.statusOf(seat);
    let hopeless = line.hopeless((seat) => status(seat) === 0 || status(seat) === 1);
    while (hopeless.length > 0) {
      const event = events.shift();
      const party = event?.kind === "WaiterLeft" ? hopeless.find(({ id }) => id === event.waiterId) : undefined;
      if (event?.kind !== "WaiterLeft" || party === undefined || event.status !== "hopeless")
        return this.#complain(`${hopeless[0]?.id} is hopeless and is not told: ${event?.kind}`);
      this.#leave(party, "hopeless", moment);
      hopeless = hopeless.filter((other) => other !== party);
    }
    const isFree = (seat: number): boolean => status(seat) === 0;
    for (;;) {
      const next = line.nextServed(terms.waitlistPolicy, isFree);
      if (next === undefined) return;
      const event = events.shift();
      if (event?.kind !== "OfferMade" || event.waiterId !== next.party.id)
        return this.#complain(`${next.party.id} is next to be served, not ${JSON.stringify(event)}`);
      const { quantity, contiguous } = next.party;
      if (event.seats.some((seat) => !next.open.includes(seat)))
        this.#complain(`${next.party.id} is offered ${event.seats}, of ${next.open} open to it`);
      if (contiguous && !hasBlock(hall, event.seats, quantity))
        this.#complain(`${next.party.id} is offered ${event.seats}, not one block`);
      this.#offer(next.party, event, moment);
    }
  }

  /** What the command was asked for. */
  apply(event: WaitlistEvent, moment: Moment, command: ShowCommand): void {
    if (event.kind === "WaiterJoined") return this.#join(event, moment);
    const party = this.#books.line.get(event.waiterId);
    if (party === undefined) return this.#complain(`${event.kind} about nobody known`);
    if (!("waiterId" in command) || command.waiterId !== party.id) this.#complain(`${event.kind} out of place`);
    if ("operation" in event && event.operation !== undefined) {
      const { operation, requestHash } = event;
      this.#books.effect(operation, { requestHash: requestHash ?? Number.NaN, of: event.kind, subject: party.id });
    }
    const from = (...allowed: readonly Party["status"][]): void => {
      if (!allowed.includes(party.status)) this.#complain(`${event.kind} of ${party.id}, ${party.status}`);
    };
    switch (event.kind) {
      case "WaiterLowered":
        from("waiting");
        if (event.quantity < 1 || event.quantity >= party.quantity)
          this.#complain(`${party.id} lowered to ${event.quantity}`);
        Object.assign(party, { quantity: event.quantity, version: moment.seq });
        return;
      case "WaiterLeft":
        from("waiting", "offered");
        if (event.status !== "cancelled") this.#complain(`${party.id} leaves as ${event.status}, not cancelled`);
        return this.#leave(party, "cancelled", moment);
      case "OfferAccepted":
        from("offered");
        if (party.offer === undefined || moment.at >= party.offer.endsAt)
          this.#complain(`${party.id} accepts too late`);
        this.#leave(party, "accepted", moment);
        party.holdId = event.holdId;
        return;
      case "OfferDeclined":
        from("offered");
        return this.#leave(party, "declined", moment);
      default:
        this.#complain(`${event.kind} of ${party.id} out of place`);
    }
  }

  /** Whether it is what was asked for: nobody's claim is met but by whoever takes its offer up, at the price offered. */
  checkHold({ id, session, seats, total }: HoldPlaced, command: ShowCommand): void {
    const { line } = this.#books;
    const isSame = (others: readonly number[]): boolean =>
      others.length === seats.length && others.every((seat) => seats.includes(seat));
    if (!("session" in command) || command.session !== session)
      this.#complain(`${id} is ${session}'s, who did not ask`);
    let price = this.#books.priceOf(seats);
    if (command.kind === "AcceptOffer") {
      const party = line.get(command.waiterId);
      const offered = party?.lastOffer;
      if (party?.holdId !== id || offered === undefined) return this.#complain(`${id} takes up nobody's offer`);
      if (!isSame(command.seats ?? offered.seats)) this.#complain(`${id} has ${seats}, not what was taken up`);
      if (isSame(offered.seats)) price = offered.total;
    } else if (command.kind === "PlaceHold") {
      const { choice } = command;
      if (choice.by === "seats" && !isSame(choice.seats)) this.#complain(`${id} has ${seats}, not those named`);
      if (choice.by === "quantity" && choice.quantity !== seats.length) this.#complain(`${id} has ${seats}`);
      for (const seat of seats) if (line.claims(seat)) this.#complain(`${id} barges: seat ${seat} is claimed`);
    } else this.#complain(`${id} comes of ${command.kind}`);
    if (total !== price) this.#complain(`${id} costs ${total}, not ${price}`);
  }

  #complain(what: string): void {
    this.#books.complain(what);
  }

  #join(event: WaiterJoined, { at, seq }: Moment): void {
    const { line } = this.#books;
    const { waiterId: id, session, quantity, categories, accessible, contiguous, expiresAt, requestHash } = event;
    this.#books.effect(operationOf(id), { requestHash, of: event.kind, subject: id });
    if (line.ofSession(session) !== undefined) this.#complain(`${session} waits twice`);
    if (quantity < 1) this.#complain(`${id} waits for ${quantity}`);
    if (expiresAt !== at + PLACE_ENDS_AFTER_MS) this.#complain(`the place of ${id} ends at ${expiresAt}`);
    const party: Party = {
      ...{ id, session, quantity, categories, accessible, contiguous, joinedAt: at, status: "waiting", version: seq },
      ...{ placeEndsAt: expiresAt, seenAt: at, isSkipped: false },
      ...{ offer: undefined, lastOffer: undefined, endedAt: undefined, holdId: undefined },
    };
    line.everybody.push(party);
    line.see(party, at);
    if (this.#books.seatsOf(session) > 10) this.#complain(`${session} has ${this.#books.seatsOf(session)} seats`);
  }

  #offer(party: Party, event: OfferMade, { at, seq }: Moment): void {
    const { seats, total, expiresAt, graceMs } = event;
    const { terms } = this.#books;
    if (new Set(seats).size !== seats.length || seats.length !== party.quantity)
      this.#complain(`${party.id} waits for ${party.quantity} and is offered ${seats}`);
    for (const seat of seats) this.#books.give(seat, undefined, party.id);
    if (expiresAt !== at + terms.offerTtlMs || graceMs !== terms.graceMs)
      this.#complain(`the offer to ${party.id} ends at ${expiresAt} + ${graceMs}`);
    if (total !== this.#books.priceOf(seats)) this.#complain(`${seats} are offered at ${total}`);
    const offer = { seats, total, shownUntil: expiresAt, endsAt: expiresAt + graceMs };
    Object.assign(party, { status: "offered", version: seq, offer, lastOffer: offer });
  }

  #leave(party: Party, status: Party["status"], { at, seq }: Moment): void {
    for (const seat of party.offer?.seats ?? []) this.#books.give(seat, party.id, undefined);
    Object.assign(party, { status, version: seq, offer: undefined, endedAt: at });
  }
}

/** What a refusal says besides its code, where it is wrong. */
export function misinformation(books: Auditor, command: ShowCommand, refusal: Refusal): string[] {
  const wrong = (what: string, found: unknown, wanted: unknown): string[] =>
    found === wanted ? [] : [`${refusal.code} says ${what} ${found}, not ${wanted}`];
  const party = "waiterId" in command ? books.line.get(command.waiterId) : undefined;
  switch (refusal.code) {
    case "already_waiting":
      return "session" in command
        ? wrong("of", refusal.waiterId, books.line.ofSession(command.session)?.id)
        : ["of whom?"];
    case "hold_limit":
      return "session" in command ? wrong("held", refusal.held, books.seatsOf(command.session)) : ["whose?"];
    case "offer_lapsed":
      return [...wrong("status", refusal.status, party?.status), ...wrong("holdId", refusal.holdId, party?.holdId)];
    case "waiter_finished":
      return wrong("status", refusal.status, party?.status);
    case "quantity_not_lower":
    case "wrong_swap":
      return wrong("quantity", refusal.quantity, party?.quantity);
    default:
      return [];
  }
}

/** Where the state's line says something else than the books. `now`: of the latest turn. */
export function strayedLine(state: ShowState, books: Auditor, now: number): string[] {
  const { line: oracle, terms } = books;
  const found: string[] = [];
  const compare = (what: string, is: unknown, wanted: unknown): void => {
    if (is !== wanted) found.push(`${what} is ${is}, not ${wanted}`);
  };
  for (const waiter of state.line?.all() ?? []) {
    const { id, offer } = waiter;
    const party = oracle.get(id);
    if (party === undefined) return [`${id} is in the line and never joined`];
    for (const field of ["session", "quantity", "status", "version", "joinedAt", "endedAt", "holdId"] as const)
      compare(`${field} of ${id}`, waiter[field], party[field]);
    compare(`the position of ${id}`, state.line?.positionOf(waiter), oracle.positionOf(party));
    if (isWaiting(waiter)) compare(`the end of the place of ${id}`, waiter.expiresAt, party.placeEndsAt);
    compare(`what is offered to ${id}`, offer?.seats.join(), party.offer?.seats.join());
    compare(`what ${id} is told of its offer's end`, offer?.expiresAt, party.offer?.shownUntil);
  }
  for (const { id } of oracle.active()) if (state.line?.get(id) === undefined) found.push(`${id} is not in the line`);
  const isQueued = (seat: number): boolean => books.statusOf(seat) === 0 && oracle.claims(seat);
  compare("the number of queued seats", queuedSeats(state), books.seatsWhere(isQueued).length);
  // Woken in time, and not in vain. A stirred line wants a turn now; it need not be so.
  const next = Math.max(now, Math.min(books.nextAt(), oracle.nextAt(closingOf(terms))));
  if (oracle.active().length > 0 && state.line?.stirred) return found;
  compare("the next deadline", Math.max(now, nextAt(state)), next);
  return found;
}
