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
import { Auditor } from "./auditor.ts";
import { drawnHall } from "./drawn-hall.ts";
import { Rig } from "./rig.ts";
import { imageOf } from "./state-image.ts";
import { verdict } from "./verdict.ts";

/** How many numbers a step reads at most; missing ones are 0. */
export const NUMBERS_PER_STEP = 16;

const OPENED_AT = 1_800_000_000_000;
const SESSIONS = ["ann", "bob", "eve", "zoe"] as const;
const TTLS_MS = [300_000, 300_000, 60_000, 1_000, 900_000, 120_000, 30_000, 600_000, 45_000, 3_600_000, 90_000];
const SHORT_MS = [0, 0, 1, 200, 700, 1_000, 3_000, 4_999, 5_000, 10_000, -1, -3_000];
const LONG_MS = [60_000, 119_999, 300_000, 305_000, -60_000, 600_000];
const HALLS: readonly Hall[] = [
  drawnHall("aaaaaa", "aaabbb", "bbbBBA"),
  drawnHall("aa aaaa", "aa aaaB"),
  drawnHall("aaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb"),
];

class Dice {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(bound: number): number {
    const number = this.#numbers[this.#next] ?? 0;
    this.#next += 1;
    return number % bound;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
}

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
        [1_000, 2_000],
        [0, 500],
        [700, 0],
      ]),
      currency: "EUR",
      startsAt: OPENED_AT + 90_000_000,
      salesCutoffAt: OPENED_AT + dice.pick([86_400_000, 86_400_000, 86_400_000, 7_200_000]),
      holdTtlMs: 300_000,
      graceMs: 5_000,
      offerTtlMs: 120_000,
      waitlistPolicy: "strict",
      singleGap: dice.pick(["allow", "reject"]),
      gated: false,
      cancelled: false,
    };
    this.#rules = {
      payTtlMs: dice.pick([120_000, 120_000, 10_000]),
      releaseOnDecline: dice.below(2) === 0,
      instantPayments: dice.below(4) === 3,
    };
    // Few keys, so that one is used for this and for that; or many, so that something happens for longer.
    this.#keys = dice.pick([40, 60_000]);
    this.#rig = new Rig("show-1" as ShowId, hall, terms, OPENED_AT);
    this.#auditor = new Auditor(hall, terms, OPENED_AT);
  }

  /** Takes one step; answers what is wrong after it. */
  step(numbers: readonly number[]): string[] {
    const dice = new Dice(numbers);
    // Mostly a little later, sometimes much, sometimes the clock goes back.
    this.#now += dice.below(16) === 15 ? dice.pick(LONG_MS) : dice.pick(SHORT_MS);
    const paymentsAvailable = dice.below(8) !== 7;
    const kind = dice.below(40);
    if (kind === 38) this.#rig.takeOver();
    else if (kind >= 35 && kind < 38) this.#rig.evict();
    else {
      const command =
        kind >= 31 && this.#sent.length > 0 ? dice.pick(this.#sent.slice(-12)) : this.#command(dice, kind);
      this.#sent.push(command);
      return this.#take(command, paymentsAvailable);
    }
    return violations(this.#rig.state);
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
      for (const label of [outcome, ...events.map((event) => event.kind)])
        this.outcomes.set(label, (this.outcomes.get(label) ?? 0) + 1);
      for (const event of events)
        if (event.kind === "HoldPlaced") this.#known.push({ id: event.id, session: event.session });
    }
    return [...complaints, ...violations(before), ...this.#strayed()];
  }

  /** Where the state says something else than the auditor's books. */
  #strayed(): string[] {
    const { state } = this.#rig;
    const found: string[] = [];
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
    const image = (state: ShowState, bookings: { values(): Iterable<Booking> } = state.bookings) => {
      const { deadlines, operations: _, ...rest } = imageOf({ ...state, bookings });
      deadlines.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
      return JSON.stringify({ ...rest, deadlines });
    };
    const wanted = image(this.#rig.replayed());
    const found = image(this.#rig.state, this.#rig.bookings());
    return found === wanted ? [] : [`a replay leads to\n${wanted}\nnot to\n${found}`];
  }

  #command(dice: Dice, kind: number): ShowCommand {
    if (kind < 9) return this.#place(dice);
    if (kind < 22) return this.#aboutBooking(dice, kind);
    if (kind < 27) return this.#settle(dice);
    if (kind < 28) {
      const request = { kind: dice.pick(["BlockSeats", "UnblockSeats"] as const), seats: this.#seats(dice, 2) };
      return { ...request, operation: this.#operation(dice, "admin", request) };
    }
    const { terms } = this.#rig.state;
    if (kind === 28) {
      const changes = {
        holdTtlMs: dice.pick(TTLS_MS),
        graceMs: dice.pick([5_000, 0, 60_000]),
        cancelled: dice.below(20) === 19,
      };
      return {
        kind: "ChangeTerms",
        terms: { ...terms, ...changes, gated: dice.below(20) === 19, singleGap: dice.pick(["allow", "reject"]) },
      };
    }
    if (kind === 29) {
      return {
        kind: "MoveDeadlines",
        byMs: dice.pick([2_001, 60_000]),
        outageId: this.#auditor.outageId + dice.pick([1, 0, 2]),
      };
    }
    return { kind: "Tick" };
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
            category: dice.pick([undefined, 0]),
            accessible: dice.below(3) === 2,
            contiguous: dice.below(3) === 2,
          } as const);
    const request = { kind: "PlaceHold", session, choice } as const;
    return { ...request, operation: this.#operation(dice, session, request) };
  }

  /** Mostly about one that is live or booked, else about any of the latest; mostly by its own session. */
  #aboutBooking(dice: Dice, kind: number): ShowCommand {
    const nobody = { id: "show-1.none__________________" as BookingId, session: "ann" as SessionId };
    const wanted = kind < 20 ? ["held", "paying"] : ["booked"];
    const standing = this.#known.filter(({ id }) => wanted.includes(this.#auditor.accounts.get(id)?.status ?? ""));
    const among = dice.below(4) === 3 ? this.#known : standing;
    const { id: bookingId, session: own } = among.at(-1 - dice.below(4)) ?? among.at(-1) ?? nobody;
    const session = dice.below(12) === 11 ? ("eve" as SessionId) : own;
    const about = { session, bookingId };
    if (kind === 9) return { kind: "ReadBooking", ...about };
    const request =
      kind < 14
        ? ({ kind: "ConfirmBooking", ...about, paymentToken: "pm_card_visa", contactEmail: undefined } as const)
        : kind < 17
          ? ({ kind: "ExtendHold", ...about } as const)
          : kind < 20
            ? ({ kind: "ReleaseHold", ...about } as const)
            : ({ kind: "CancelBooking", ...about } as const);
    return { ...request, operation: this.#operation(dice, session, request) };
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
      { kind: "declined", reason: "card_declined" },
      { kind: "captured" },
      { kind: "voided" },
      { kind: "capture_failed" },
    ]);
    const attempt = (account?.attempts ?? 1) - (dice.below(8) === 7 ? 1 : 0);
    return { kind: "SettlePayment", bookingId, attempt, outcome };
  }
}
