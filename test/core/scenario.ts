// A life of a show out of numbers: each step is a list of small integers, read as a command and the time it comes at.
// fast-check draws and shrinks such lists, the simulator draws them from a seed: both run the same lives.
// Every turn is watched by the auditor, its decision compared with the verdict, the state with its invariants.

import { createHash } from "node:crypto";
import type { SettlePayment, ShowCommand } from "../../allocator/core/command.ts";
import type { Rules } from "../../allocator/core/decision.ts";
import type { Hall } from "../../allocator/core/hall.ts";
import { violations } from "../../allocator/core/invariants.ts";
import type { Booking, ShowState } from "../../allocator/core/state.ts";
import type { BookingId, OperationId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { isWaiting, type Waiter } from "../../waitlist/core/waiter.ts";
import { Auditor } from "./auditor.ts";
import { Dice } from "./dice.ts";
import { boundary, WaitlistDraw } from "./draw-waitlist.ts";
import { drawnHall } from "./drawn-hall.ts";
import { strayedLine } from "./line-auditor.ts";
import { closingOf } from "./line-oracle.ts";
import { Rig } from "./rig.ts";
import { imageOf } from "./state-image.ts";
import { verdict } from "./verdict.ts";

/** How many numbers a step reads at most; missing ones are 0. */
export const NUMBERS_PER_STEP = 16;

const OPENED_AT = 1_800_000_000_000;
const SESSIONS = ["ann", "bob", "eve", "zoe", "ian", "joy", "kit", "liv", "moe", "ned", "ova", "pam"] as const;
const TTLS_MS = [300_000, 300_000, 60_000, 1_000, 900_000, 120_000, 30_000, 600_000, 3_600_000, 45_000, 3_600_000];
const SHORT_MS = [0, 0, 1, 200, 700, 1_000, 3_000, 4_999, 5_000, 10_000, -1, -3_000];
const LIFE_MAX_MS = 80_000_000;
const OFFER_TTLS_MS = [120_000, 120_000, 30_000, 1_000, 300_000, 900_000, 3_600_000];
const LONG_MS = [60_000, 119_999, 300_000, 305_000, -60_000, 600_000];
const HALLS: readonly Hall[] = [
  drawnHall("aaaaaa", "aaabbb", "bbbBBA"),
  drawnHall("aa aaaa", "aa aaaB"),
  drawnHall("aaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb"),
  drawnHall("aabb", "bbcC", "cAaa"),
];

/** Everything but the operation itself, as the gateway's fingerprint covers route and body. */
function requestHashOf(request: object): number {
  return createHash("sha256").update(JSON.stringify(request)).digest().readUIntBE(0, 6);
}

/** One of few fingerprints, so that the key index often knows too many. */
function operationIdOf(session: string, key: number): OperationId {
  return `${"ABC"[key % 3]}AAAA-${session}-${key}`.padEnd(22, "_") as OperationId;
}

export class Scenario {
  readonly #rig: Rig;
  readonly #auditor: Auditor;
  readonly #waitlist: WaitlistDraw;
  readonly #rules: Rules;
  readonly #sent: ShowCommand[] = [];
  readonly #known: { id: BookingId; session: SessionId }[] = [];
  readonly #keys: number;
  #now = OPENED_AT;
  /** What became of the commands, counted: a life in which nothing happens proves nothing. */
  readonly outcomes = new Map<string, number>();

  constructor(setup: readonly number[]) {
    const dice = new Dice(setup);
    const hall = dice.pick(HALLS);
    const terms: ShowTerms = {
      prices: dice.pick([
        [1_000, 2_000, 3_000],
        [0, 500, 0],
        [700, 0, 300],
      ]),
      currency: "EUR",
      startsAt: OPENED_AT + 90_000_000,
      salesCutoffAt: OPENED_AT + dice.pick([86_400_000, 86_400_000, 86_400_000, 7_200_000]),
      holdTtlMs: 300_000,
      graceMs: 5_000,
      offerTtlMs: dice.pick(OFFER_TTLS_MS),
      waitlistPolicy: dice.pick(["strict", "first_fit"]),
      singleGap: dice.pick(["allow", "reject"]),
      gated: false,
      cancelled: false,
    };
    this.#rules = {
      payTtlMs: dice.pick([120_000, 120_000, 10_000]),
      releaseOnDecline: dice.below(2) === 0,
      // Of one in four nothing can be cancelled after the first hour.
      cancelUntilMs: dice.pick([3_600_000, 3_600_000, 0, 86_400_000]),
      instantPayments: dice.below(4) === 3,
    };
    // Few keys, so that one is used for this and for that; or many, so that something happens for longer.
    this.#keys = dice.pick([60_000, 60_000, 60, 60_000]);
    this.#rig = new Rig("show-1" as ShowId, hall, terms, OPENED_AT);
    this.#auditor = new Auditor(hall, terms, OPENED_AT);
    this.#waitlist = new WaitlistDraw({
      books: this.#auditor,
      sessions: SESSIONS,
      areAlike: dice.once(3),
      operation: (...about) => this.#operation(...about),
    });
  }

  /** Takes one step; answers what is wrong after it. */
  step(numbers: readonly number[]): string[] {
    const dice = new Dice(numbers);
    this.#now = this.#later(dice);
    const paymentsAvailable = !dice.once(8);
    const kind = dice.below(72);
    if (kind === 38) {
      this.#rig.takeOver(this.#now);
      this.#auditor.line.seeEverybody(Math.max(this.#now, this.#auditor.lastAt));
      return [...violations(this.#rig.state), ...this.#strayed()];
    }
    if (kind >= 35 && kind < 38) {
      this.#rig.evict();
      return violations(this.#rig.state);
    }
    if (kind >= 31 && kind < 35 && this.#sent.length > 0)
      return this.#send([dice.pick(this.#sent.slice(-12))], paymentsAvailable);
    if (kind >= 58 && kind < 63) return this.#send(this.#waitlist.polls(dice), paymentsAvailable);
    if (kind === 63) return this.#passTime(dice);
    return this.#send([this.#command(dice, kind)], paymentsAvailable);
  }

  /** Mostly a little later, sometimes much, sometimes about when something ends; sometimes the clock goes back. */
  #later(dice: Dice): number {
    const pace = dice.below(48);
    // Keys are forgotten after a day; lives are shorter.
    if (this.#now > OPENED_AT + LIFE_MAX_MS) return this.#now + dice.pick(SHORT_MS);
    if (pace === 47) return this.#now + dice.pick(LONG_MS);
    const at = pace >= 43 ? boundary(dice, this.#auditor, this.#now) : undefined;
    if (at !== undefined && at > OPENED_AT) return at + dice.pick([0, -1, 0, 1]);
    return this.#now + dice.pick(SHORT_MS);
  }

  /** Those in line keep polling for a while, sometimes until the place of one of them ends. */
  #passTime(dice: Dice): string[] {
    const last = this.#auditor.line.waiting().at(-1 - dice.below(2));
    const isLong = last !== undefined && dice.once(2);
    const until = isLong ? last.placeEndsAt : this.#now + Math.abs(dice.pick(LONG_MS));
    while (this.#now < until && (!isLong || last.status === "waiting")) {
      const wrong = this.#send(this.#waitlist.polls(new Dice(isLong ? [9] : [dice.below(10)])), true);
      if (wrong.length > 0) return wrong;
      this.#now = Math.min(this.#now + dice.pick([30_000, 59_999, 60_000, 50_000, 290_000]), until);
    }
    this.#now += dice.pick([0, -1, 1]);
    return this.#send([{ kind: "Tick" }], true);
  }

  #send(commands: readonly ShowCommand[], paymentsAvailable: boolean): string[] {
    for (const command of commands) {
      this.#sent.push(command);
      const wrong = this.#take(command, paymentsAvailable);
      if (wrong.length > 0) return wrong;
    }
    return [];
  }

  #take(command: ShowCommand, paymentsAvailable: boolean): string[] {
    const { state: before } = this.#rig;
    const rules = this.#rules;
    const turns = this.#rig.take(command, { now: this.#now, rules, paymentsAvailable });
    const complaints = turns.flatMap((turn) =>
      this.#auditor.watch(command, turn, this.#now, rules, () =>
        verdict(this.#auditor, command, { at: turn.at, rules, paymentsAvailable }),
      ),
    );
    for (const { decision, events } of turns) {
      const outcome = decision.kind === "refuse" ? decision.refusal.code : decision.kind;
      this.#count(outcome);
      if (command.kind === "AcceptOffer" && command.seats !== undefined) this.#count(`swap: ${outcome}`);
      for (const event of events) {
        this.#count(event.kind === "WaiterLeft" ? `left ${event.status}` : event.kind);
        if (event.kind === "OfferMade") this.#count(`offer by ${this.#rig.state.terms.waitlistPolicy}`);
        if (event.kind === "HoldPlaced") this.#known.push({ id: event.id, session: event.session });
      }
    }
    return [...complaints, ...violations(before), ...this.#strayed()];
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /** Where the state says something else than the auditor's books. */
  #strayed(): string[] {
    const { state } = this.#rig;
    const found = strayedLine(state, this.#auditor, Math.max(this.#now, this.#auditor.lastAt));
    for (const [seat, status] of state.seats.entries()) {
      const wanted = this.#auditor.statusOf(seat);
      if (status !== wanted) found.push(`seat ${seat} is ${status}, not ${wanted}`);
    }
    for (const { id, status } of state.bookings.values()) {
      const wanted = this.#auditor.accounts.get(id)?.status;
      if (status !== wanted) found.push(`${id} is ${status}, not ${wanted}`);
    }
    return found;
  }

  /** Replays the whole log: it must lead to what tables and memory together say. */
  finish(): string[] {
    const inLine = (waiter: Waiter): string => `${waiter.status} ${waiter.place}`;
    const image = (
      state: ShowState,
      bookings: { values(): Iterable<Booking> } = state.bookings,
      waiters: Iterable<Waiter> = state.line?.all() ?? [],
    ) => {
      const { deadlines, operations: _, waiters: __, waiting: ___, ...rest } = imageOf({ ...state, bookings });
      deadlines.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
      const everybody = [...waiters].sort((a, b) => a.place - b.place);
      const positions = everybody.filter(isWaiting).map((waiter) => [inLine(waiter), state.line?.positionOf(waiter)]);
      return JSON.stringify({ ...rest, deadlines, everybody, positions });
    };
    const wanted = image(this.#rig.replayed());
    const found = image(this.#rig.state, this.#rig.bookings(), this.#rig.waiters().values());
    return found === wanted ? [] : [`a replay leads to\n${wanted}\nnot to\n${found}`];
  }

  #command(dice: Dice, kind: number): ShowCommand {
    if (kind < 9) return this.#place(dice);
    if (kind < 22) return this.#aboutBooking(dice, kind);
    if (kind < 27 || kind > 66) return this.#settle(dice);
    if (kind > 63) return this.#waitlist.accept(dice);
    if (kind < 28) {
      const request = { kind: dice.pick(["BlockSeats", "UnblockSeats"] as const), seats: this.#seats(dice, 2) };
      return { ...request, operation: this.#operation(dice, "admin", request) };
    }
    const isClosed = this.#now >= closingOf(this.#rig.state.terms);
    if (this.#rig.state.terms.cancelled && dice.once(4)) return { kind: "ClearShow" };
    if (kind === 28 || (isClosed && dice.once(6))) return this.#changeTerms(dice, isClosed);
    if (kind === 29) {
      return {
        kind: "MoveDeadlines",
        byMs: dice.pick([2_001, 60_000]),
        outageId: this.#auditor.outageId + dice.pick([1, 0, 2]),
      };
    }
    if (kind < 40) return { kind: "Tick" };
    if (kind < 48) return this.#waitlist.joinOrFill(dice);
    if (kind < 49) return this.#waitlist.read(dice);
    if (kind < 51) return this.#waitlist.lower(dice);
    if (kind < 52) return this.#waitlist.leave(dice);
    return kind < 56 ? this.#waitlist.accept(dice) : this.#waitlist.decline(dice);
  }

  #changeTerms(dice: Dice, isClosed: boolean): ShowCommand {
    const { terms } = this.#rig.state;
    const far = OPENED_AT + 86_400_000;
    const soon = [this.#now, this.#now + 1, this.#now + 120_000, this.#now + 600_000];
    return {
      kind: "ChangeTerms",
      terms: {
        ...terms,
        holdTtlMs: dice.pick(TTLS_MS),
        graceMs: dice.pick([5_000, 0, 60_000]),
        // For good: lives in which it comes early say little else.
        cancelled: dice.once(60),
        gated: dice.once(20),
        singleGap: dice.pick(["allow", "reject"]),
        offerTtlMs: dice.pick(OFFER_TTLS_MS),
        waitlistPolicy: dice.pick(["strict", "first_fit"]),
        salesCutoffAt: dice.once(4) && !isClosed ? dice.pick(soon) : far,
        prices: dice.once(4) ? terms.prices.toReversed() : terms.prices,
      },
    };
  }

  #operation(dice: Dice, session: string, request: object): Operation {
    return { id: operationIdOf(session, dice.below(this.#keys)), requestHash: requestHashOf(request) };
  }

  #seats(dice: Dice, countMax: number): number[] {
    const { seatCount } = this.#rig.hall;
    const first = dice.below(seatCount);
    const step = dice.pick([1, 1, 2]);
    const count = 1 + dice.below(countMax);
    return [...new Set(Array.from({ length: count }, (_, i) => (first + i * step) % seatCount))];
  }

  #place(dice: Dice): ShowCommand {
    const session = dice.pick(SESSIONS) as string as SessionId;
    const choice =
      dice.below(2) === 0
        ? ({ by: "seats", seats: this.#seats(dice, 5) } as const)
        : ({
            by: "quantity",
            quantity: dice.pick([1, 2, 3, 4, 10]),
            category: dice.pick([undefined, 0, 1]),
            accessible: dice.below(3) === 2,
            contiguous: dice.below(3) === 2,
          } as const);
    const request = { kind: "PlaceHold", session, choice } as const;
    return { ...request, operation: this.#operation(dice, session, request) };
  }

  /** Mostly about one that is live or booked, else about any of the latest; mostly by its own session. */
  #aboutBooking(dice: Dice, kind: number): ShowCommand {
    const nobody = { id: "show-1.none__________________" as BookingId, session: "ann" as SessionId };
    const ended = kind === 12 ? "declined" : kind === 19 && dice.below(4) === 3 ? "cancelled" : undefined;
    const wanted = ended !== undefined ? [ended] : kind < 19 ? ["held", "paying"] : ["booked"];
    const standing = this.#known.filter(({ id }) => wanted.includes(this.#auditor.accounts.get(id)?.status ?? ""));
    const among = dice.below(4) === 3 ? this.#known : standing;
    const { id: bookingId, session: own } = among.at(-1 - dice.below(4)) ?? among.at(-1) ?? nobody;
    const session = dice.below(12) === 11 ? ("eve" as SessionId) : own;
    const about = { session, bookingId };
    if (kind === 9) return { kind: "ReadBooking", ...about };
    if (kind === 19) return this.#useTicket(dice, bookingId);
    const request =
      kind < 13
        ? ({ kind: "ConfirmBooking", ...about, paymentToken: "pm_card_visa", contactEmail: undefined } as const)
        : kind < 16
          ? ({ kind: "ExtendHold", ...about } as const)
          : kind < 19
            ? ({ kind: "ReleaseHold", ...about } as const)
            : ({ kind: "CancelBooking", ...about } as const);
    return { ...request, operation: this.#operation(dice, session, request) };
  }

  #useTicket(dice: Dice, bookingId: BookingId): ShowCommand {
    const seats = this.#auditor.accounts.get(bookingId)?.seats ?? [];
    const seat = dice.below(12) === 11 ? dice.below(this.#rig.state.hall.seatCount) : dice.pick([...seats, 0]);
    const request = { kind: "UseTicket", bookingId, seat, gate: "north" } as const;
    return { ...request, operation: this.#operation(dice, "gate", request) };
  }

  #settle(dice: Dice): ShowCommand {
    const states = dice.pick([["begun"], ["begun", "voiding"], ["authorised", "refunding"], undefined]);
    const paid = [...this.#auditor.accounts.values()].filter(
      ({ payment }) => payment !== "none" && (states === undefined || states.includes(payment)),
    );
    const account = paid.at(-1 - dice.below(3)) ?? paid.at(-1);
    const bookingId = account?.id ?? ("show-1.none__________________" as BookingId);
    const outcome = dice.pick<SettlePayment["outcome"]>([
      { kind: "authorised", reference: `pi_${bookingId}` },
      { kind: "authorised", reference: `pi_${bookingId}` },
      { kind: "declined", reason: "card_declined" },
      { kind: "captured" },
      { kind: "captured" },
      { kind: "voided" },
      { kind: "refunded" },
      { kind: "capture_failed" },
    ]);
    const attempt = (account?.attempts ?? 1) - (dice.below(8) === 7 ? 1 : 0);
    return { kind: "SettlePayment", bookingId, attempt, outcome };
  }
}
