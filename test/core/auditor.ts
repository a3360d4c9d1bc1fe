// Watches a show from outside: believes nothing of its state, keeps books of its own from the events alone, and
// complains when a turn does what the specification forbids. What should have been decided is verdict.ts's business.
// A1: a seat is one booking's at a time.        A2: nothing ends before its deadline, and nothing outlives it.
// A3: deadlines are settled in order.           A4: a key takes effect at most once.
// A5: a session has at most 10 seats.           A6: what an event says is what the terms say.
// The waitlist's part of the books is line-oracle.ts, of the watching line-auditor.ts.

import type { ShowCommand } from "../../allocator/core/command.ts";
import type { Rules } from "../../allocator/core/decision.ts";
import type { HoldPlaced, ShowEvent } from "../../allocator/core/event.ts";
import type { Hall } from "../../allocator/core/hall.ts";
import type { Turn } from "../../allocator/core/turn.ts";
import {
  type BookingId,
  type OperationId,
  operationOf,
  type SessionId,
  type WaiterId,
} from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { BookingStatus } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Account, Effect } from "./account.ts";
import { isOfLine, LineAuditor, type Moment, misinformation } from "./line-auditor.ts";
import { LineOracle } from "./line-oracle.ts";

/** Whose a seat is. */
type Owner = BookingId | WaiterId | "blocked" | undefined;

const SETTLEMENTS = new Set<ShowEvent["kind"]>(["HoldExpired", "PaymentAbandoned"]);

export class Auditor {
  readonly hall: Hall;
  terms: ShowTerms;
  lastAt: number;
  outageId = 0;
  readonly owner: Owner[];
  readonly accounts = new Map<BookingId, Account>();
  readonly effects = new Map<OperationId, Effect>();
  readonly line: LineOracle;
  readonly #lineAuditor: LineAuditor;
  #complaints: string[] = [];

  constructor(hall: Hall, terms: ShowTerms, openedAt: number) {
    this.hall = hall;
    this.terms = terms;
    this.lastAt = openedAt;
    this.owner = new Array(hall.seatCount).fill(undefined);
    this.line = new LineOracle(hall);
    this.#lineAuditor = new LineAuditor(this);
  }

  isLive = (account: Account): boolean => account.status === "held" || account.status === "paying";

  endsAt = (account: Account): number => (account.status === "paying" ? account.payEndsAt : account.holdEndsAt);

  /** Held by it, offered to it and waited for by it. */
  seatsOf(session: SessionId): number {
    let seats = this.line.ofSession(session)?.quantity ?? 0;
    for (const account of this.accounts.values()) {
      if (account.session === session && this.isLive(account)) seats += account.seats.length;
    }
    return seats;
  }

  /** 0 free, 1 held, 2 sold, 3 blocked: what the seat map must say. */
  statusOf(seat: number): number {
    const owner = this.owner[seat];
    if (owner === undefined) return 0;
    if (owner === "blocked") return 3;
    // A waiter's are offered to it.
    return this.accounts.get(owner as BookingId)?.status === "booked" ? 2 : 1;
  }

  /** What a cancelled show has still to end. */
  toClear(): Account[] {
    return [...this.accounts.values()].filter((account) => this.isLive(account) || account.status === "booked");
  }

  seatsWhere(test: (seat: number) => boolean): number[] {
    return [...this.owner.keys()].filter(test);
  }

  /** By the present terms. */
  priceOf(seats: readonly number[]): number {
    return seats.reduce((sum, seat) => sum + (this.terms.prices[this.hall.category[seat] ?? -1] ?? Number.NaN), 0);
  }

  /** When the next booking ends by itself. */
  nextAt(): number {
    return Math.min(...[...this.accounts.values()].filter(this.isLive).map(this.endsAt), Number.POSITIVE_INFINITY);
  }

  priorOf(operation: Operation): "new" | "same" | "reused" {
    const effect = this.effects.get(operation.id);
    if (effect === undefined) return "new";
    return effect.requestHash === operation.requestHash ? "same" : "reused";
  }

  /** Settles the turn's deadlines in the books; `judge` is then asked what its command should come to. */
  watch(command: ShowCommand, turn: Turn, now: number, rules: Rules, judge: () => string): string[] {
    this.#complaints = [];
    const moment = { at: Math.max(now, this.lastAt), seq: turn.seq };
    const { at } = moment;
    const { decision } = turn;
    if (turn.at !== at) this.complain(`the turn is at ${turn.at}, not ${at}`);
    const events = [...turn.events];
    // An outage is taken into account before anything ends or is handed on.
    const isSettling = command.kind !== "MoveDeadlines";
    if (isSettling) {
      this.#settle(events, at);
      this.#lineAuditor.settle(events, moment);
      const party = "waiterId" in command ? this.line.get(command.waiterId) : undefined;
      if ("session" in command && party?.session === command.session) this.line.see(party, at);
      this.#lineAuditor.handOn(events, moment);
    }
    this.#compare(command, turn, judge());
    if (decision.kind === "accept") {
      for (const event of decision.events) {
        const found = events.shift();
        if (found !== event) this.complain(`${event.kind} is decided, ${found?.kind} happens`);
        this.#apply(event, moment, rules, command);
      }
      if (isSettling) this.#lineAuditor.handOn(events, moment);
    }
    for (const event of events) this.complain(`${event.kind} out of place`);
    if (turn.events.length > 0) this.lastAt = at;
    return this.#complaints;
  }

  /** `wanted`: a decision's kind or a refusal's code, or several of them between bars. */
  #compare(command: ShowCommand, { decision }: Turn, wanted: string): void {
    const found = decision.kind === "refuse" ? decision.refusal.code : decision.kind;
    if (found === "fetch") return;
    if (!wanted.split("|").includes(found)) this.complain(`${command.kind} comes to ${found}, not ${wanted}`);
    if (decision.kind === "refuse") {
      for (const wrong of misinformation(this, command, decision.refusal)) this.complain(wrong);
    }
    const made = "operation" in command ? this.effects.get(command.operation.id)?.subject : undefined;
    if (decision.kind === "answer") {
      const { id, status } = decision.booking;
      const about = "bookingId" in command ? command.bookingId : made;
      if (id !== about) this.complain(`${command.kind} about ${about} is answered with ${id}`);
      if (status !== this.accounts.get(id)?.status) this.complain(`${id} is said to be ${status}`);
    }
    if (decision.kind === "answer_waiter") {
      const { id, status } = decision.waiter;
      const about = "waiterId" in command ? command.waiterId : made;
      if (id !== about) this.complain(`${command.kind} about ${about} is answered with ${id}`);
      if (status !== this.line.get(id)?.status) this.complain(`${id} is said to be ${status}`);
    }
  }

  complain(what: string): void {
    this.#complaints.push(what);
  }

  /** Takes off `events` how every booking ended whose time has come. */
  #settle(events: ShowEvent[], at: number): void {
    let last = Number.NEGATIVE_INFINITY;
    while (this.nextAt() <= at) {
      const event = events.shift();
      const account = event !== undefined && "id" in event ? this.accounts.get(event.id) : undefined;
      if (event === undefined || !SETTLEMENTS.has(event.kind) || account === undefined || !this.isLive(account))
        return this.complain(`${event?.kind} is no settling of something live, and something is due`);
      const due = this.endsAt(account);
      if (due > at) this.complain(`${account.id} ends at ${at}, its deadline is ${due}`);
      if (due < last) this.complain(`${account.id} is settled after what was due later`);
      if ((event.kind === "PaymentAbandoned") !== (account.status === "paying"))
        this.complain(`${event.kind} when ${account.status}`);
      last = due;
      const wasPaying = account.status === "paying";
      this.#end(account, wasPaying ? "released" : "expired");
      if (wasPaying) account.payment = "voiding";
    }
  }

  #end(account: Account, status: BookingStatus): void {
    for (const seat of account.seats) this.give(seat, account.id, undefined);
    account.status = status;
  }

  give(seat: number, from: Owner, to: Owner): void {
    if (this.owner[seat] !== from) this.complain(`seat ${seat} is ${this.owner[seat]}'s, not ${from}'s`);
    this.owner[seat] = to;
  }

  effect(operation: OperationId, effect: Effect): void {
    if (this.effects.has(operation)) this.complain(`key ${operation} takes effect twice: ${effect.of}`);
    this.effects.set(operation, effect);
  }

  #apply(event: ShowEvent, moment: Moment, rules: Rules, command: ShowCommand): void {
    if (isOfLine(event)) return this.#lineAuditor.apply(event, moment, command);
    const { at } = moment;
    if (event.kind === "HoldPlaced") return this.#place(event, at, command);
    if (event.kind === "TermsChanged") {
      if (this.terms.cancelled && !event.terms.cancelled) this.complain("a cancelled show is back");
      this.terms = event.terms;
      return;
    }
    if (event.kind === "SeatsBlocked" || event.kind === "SeatsUnblocked") {
      this.effect(event.operation, { requestHash: event.requestHash, of: event.kind, subject: undefined });
      const isBlocking = event.kind === "SeatsBlocked";
      for (const seat of event.seats)
        this.give(seat, isBlocking ? undefined : "blocked", isBlocking ? "blocked" : undefined);
      return;
    }
    if (event.kind === "DeadlinesMoved") return this.#move(event.byMs, event.outageId, moment);
    if (!("id" in event)) return this.complain(`${event.kind} out of place`);
    const account = this.accounts.get(event.id);
    if (account === undefined) return this.complain(`${event.kind} about nothing known`);
    if ("bookingId" in command && command.bookingId !== account.id)
      this.complain(`${event.kind} about another booking`);
    this.#change(event, account, at, rules);
  }

  #place(event: HoldPlaced, at: number, command: ShowCommand): void {
    const { holdTtlMs, graceMs } = this.terms;
    const { id, session, seats, requestHash, total } = event;
    this.effect(operationOf(id), { requestHash, of: event.kind, subject: id });
    for (const seat of seats) this.give(seat, undefined, id);
    if (new Set(seats).size !== seats.length || seats.length < 1) this.complain(`${id} names seats ${seats}`);
    if (event.expiresAt !== at + holdTtlMs || event.graceMs !== graceMs)
      this.complain(`${id} expires at ${event.expiresAt}`);
    this.#lineAuditor.checkHold(event, command);
    this.accounts.set(id, {
      ...{ id, session, seats, requestHash, total, createdAt: at, ttlMs: holdTtlMs, graceMs },
      ...{ status: "held", extended: false },
      ...{ holdEndsAt: event.expiresAt + graceMs, payEndsAt: 0, attempts: 0, payment: "none", hasReference: false },
      used: new Set(),
    });
    if (this.seatsOf(session) > 10) this.complain(`${session} has ${this.seatsOf(session)} seats`);
  }

  #move(byMs: number, outageId: number, { at, seq }: Moment): void {
    if (outageId <= this.outageId) this.complain(`outage ${outageId} moves the deadlines a second time`);
    this.outageId = outageId;
    for (const account of this.accounts.values()) {
      if (!this.isLive(account)) continue;
      account.holdEndsAt += byMs;
      account.payEndsAt += byMs;
    }
    this.line.move(byMs, at);
    // What is shown of an offer has changed.
    for (const party of this.line.active()) if (party.offer !== undefined) party.version = seq;
  }

  #change(event: ShowEvent & { readonly id: BookingId }, account: Account, at: number, rules: Rules): void {
    const { id } = account;
    const from = (...allowed: readonly Account["status"][]): void => {
      if (!allowed.includes(account.status)) this.complain(`${event.kind} of ${id}, ${account.status}`);
    };
    switch (event.kind) {
      case "HoldExtended": {
        from("held");
        this.effect(event.operation, { requestHash: event.requestHash, of: event.kind, subject: id });
        if (account.extended) this.complain(`${id} is extended twice`);
        account.holdEndsAt += Math.max(600_000, account.ttlMs) - account.ttlMs;
        account.extended = true;
        if (event.expiresAt + account.graceMs !== account.holdEndsAt)
          this.complain(`${id} is extended to ${event.expiresAt}`);
        return;
      }
      case "HoldReleased":
        from("held");
        if (event.operation !== undefined) {
          this.effect(event.operation, { requestHash: event.requestHash ?? Number.NaN, of: event.kind, subject: id });
        } else if (!this.terms.cancelled) this.complain(`${id} released for no reason`);
        return this.#end(account, "released");
      case "PaymentAbandoned":
        from("paying");
        if (!this.terms.cancelled) this.complain(`${id} abandoned before its deadline`);
        account.payment = "voiding";
        return this.#end(account, "released");
      case "PaymentBegun":
        from("held");
        this.effect(event.operation, { requestHash: event.requestHash, of: event.kind, subject: id });
        if (event.deadlineAt !== at + rules.payTtlMs) this.complain(`payment of ${id} ends at ${event.deadlineAt}`);
        if (event.attempt !== account.attempts + 1) this.complain(`attempt ${event.attempt} of ${id}`);
        Object.assign(account, {
          status: "paying",
          payment: "begun",
          payEndsAt: event.deadlineAt,
          attempts: event.attempt,
        });
        return;
      case "BookingConfirmed":
        if (event.begun !== undefined) {
          from("held");
          this.effect(event.begun.operation, { requestHash: event.begun.requestHash, of: event.kind, subject: id });
          account.attempts += 1;
        } else if (account.payment === "voiding") {
          for (const seat of account.seats) this.give(seat, undefined, id);
          if (this.line.waiting().length > 0) this.complain(`${id} is booked while somebody waits`);
          if (this.seatsOf(account.session) > 0) this.complain(`${id} is booked beside something live of its session`);
        } else from("paying");
        account.hasReference = event.reference !== undefined;
        Object.assign(account, { status: "booked", payment: account.hasReference ? "authorised" : "captured" });
        return;
      case "PaymentDeclined":
        from("paying");
        if (event.released !== rules.releaseOnDecline) this.complain(`${id} declined, released ${event.released}`);
        account.payment = "declined";
        if (event.released) this.#end(account, "declined");
        else account.status = "held";
        return;
      case "PaymentCaptured":
        if (account.payment !== "authorised") this.complain(`${id} captured when ${account.payment}`);
        account.payment = "captured";
        return;
      case "PaymentVoided":
        if (account.payment !== "voiding" && account.payment !== "refunding")
          this.complain(`${id} voided when ${account.payment}`);
        account.payment = "voided";
        return;
      case "PaymentRefunded":
        if (account.payment !== "voiding" && account.payment !== "refunding")
          this.complain(`${id} refunded when ${account.payment}`);
        account.payment = "refunded";
        return;
      case "TicketUsed":
        from("booked");
        this.effect(event.operation, { requestHash: event.requestHash, of: event.kind, subject: id });
        if (account.used.has(event.seat) || !account.seats.includes(event.seat)) this.complain(`${id} used wrongly`);
        account.used.add(event.seat);
        return;
      case "BookingCancelled":
        from("booked");
        if (event.operation !== undefined) {
          this.effect(event.operation, { requestHash: event.requestHash ?? Number.NaN, of: event.kind, subject: id });
        }
        if (event.operation !== undefined && account.used.size > 0) this.complain(`${id} cancelled after its use`);
        if (account.hasReference) account.payment = "refunding";
        return this.#end(account, "cancelled");
      default:
        this.complain(`${event.kind} of ${id} out of place`);
    }
  }
}
