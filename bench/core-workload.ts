// A steady mix of turns over many shows, for measuring the core alone.
// W1: a show sells until 7 in 10 of its seats are sold; then another takes its place, as evenings follow one another.
// W2: timed are the turns, both of them where one asks for cold rows, and throwing out of the state what ended, as the
//     actor does after a commit.
// W3: commands are made before, a short stretch at a time, as a request is parsed before its turn; what the clients
//     remember of the answers is noted after.

import type { ShowCommand } from "../allocator/core/command.ts";
import type { Rules } from "../allocator/core/decision.ts";
import { isLive, isUnfinished, type ShowState } from "../allocator/core/state.ts";
import { type Turn, takeTurn } from "../allocator/core/turn.ts";
import type { BookingId, OperationId, SessionId } from "../shared/kernel/ids.ts";
import { SeededRandom } from "../shared/kernel/seeded-random.ts";
import type { SeatChoice } from "../shared/protocol/command.ts";
import { benchHall, OPENED_AT, openBenchShow, SEATS } from "./core-show.ts";

/** Short, so that what a client does next is not decided long before it hears what came of the last. */
const STRETCH_TURNS = 64;
/** On average this much time passes in a show between two turns. */
const TURN_SPACING_MS = 20_000;
const SOLD_SEATS_MAX = 0.7 * SEATS;
const RULES: Rules = { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments: true };

/** What a client remembers of its booking. */
interface Ticket {
  readonly id: BookingId;
  readonly session: SessionId;
  readonly seats: number;
}

interface Stage {
  state: ShowState;
  now: number;
  held: Ticket[];
  soldSeats: number;
}

interface Taken {
  readonly stage: Stage;
  readonly command: ShowCommand;
  readonly turn: Turn;
}

interface Request {
  readonly stage: Stage;
  readonly now: number;
  readonly command: ShowCommand;
}

/** `even`: each show is as likely as any other. `popular`: the n-th has 1/n of the first one's share, as films have. */
export type Demand = "even" | "popular";

export class CoreWorkload {
  readonly #stages: Stage[];
  readonly #hall = benchHall();
  readonly #random: SeededRandom;
  readonly #bytes = Buffer.alloc(16);
  /** Of the first n shows' shares, the sum. */
  readonly #shares: Float64Array;
  #shows = 0;

  constructor({ shows, seed, demand }: { shows: number; seed: number; demand: Demand }) {
    this.#random = new SeededRandom(seed);
    let sum = 0;
    this.#shares = Float64Array.from({ length: shows }, (_, i) => (sum += demand === "popular" ? 1 / (i + 1) : 1));
    this.#stages = Array.from({ length: shows }, () => this.#opened());
  }

  #opened(): Stage {
    this.#shows += 1;
    return { state: openBenchShow(`show-${this.#shows}`, this.#hall), now: OPENED_AT, held: [], soldSeats: 0 };
  }

  /** At least `count` turns, each in a show chosen by demand, and how long they took. */
  run(count: number, onTurn?: (command: ShowCommand, turn: Turn) => void): { turns: number; tookNs: number } {
    let turns = 0;
    let tookNs = 0;
    while (turns < count) {
      const requests = Array.from({ length: STRETCH_TURNS }, () => this.#request());
      const taken: Taken[] = [];
      const before = process.hrtime.bigint();
      for (const { stage, now, command } of requests) {
        const turn = takeTurn(stage.state, command, { now, rules: RULES, paymentsAvailable: true, looked: false });
        evict(stage, turn);
        taken.push({ stage, command, turn });
        if (turn.decision.kind !== "fetch") continue;
        const again = takeTurn(stage.state, command, { now, rules: RULES, paymentsAvailable: true, looked: true });
        evict(stage, again);
        taken.push({ stage, command, turn: again });
      }
      tookNs += Number(process.hrtime.bigint() - before);
      turns += taken.length;
      for (const { stage, command, turn } of taken) {
        note(stage, turn);
        onTurn?.(command, turn);
      }
      for (const { stage } of requests) if (stage.soldSeats > SOLD_SEATS_MAX) Object.assign(stage, this.#opened());
    }
    return { turns, tookNs };
  }

  /** What comes of about `count` turns, a line each. */
  profile(count: number): string {
    const counts = new Map<string, number>();
    const { turns } = this.run(count, (command, { decision }) => {
      const outcome = decision.kind === "refuse" ? decision.refusal.code : decision.kind;
      const label = `${command.kind === "PlaceHold" ? `PlaceHold by ${command.choice.by}` : command.kind} → ${outcome}`;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    });
    const lines = [...counts].sort((a, b) => b[1] - a[1]);
    return lines.map(([label, n]) => `  ${((100 * n) / turns).toFixed(1).padStart(5)} %  ${label}`).join("\n");
  }

  #request(): Request {
    const random = this.#random;
    const stage = this.#wanted();
    stage.now += random.below(2 * TURN_SPACING_MS);
    return { stage, now: stage.now, command: this.#command(stage) };
  }

  #wanted(): Stage {
    const shares = this.#shares;
    const share = (this.#random.bits() / 2 ** 32) * (shares.at(-1) ?? 0);
    let low = 0;
    for (let high = shares.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((shares[middle] as number) > share) high = middle;
      else low = middle + 1;
    }
    return this.#stages[low] as Stage;
  }

  #command(stage: Stage): ShowCommand {
    const operation = { id: this.#name() as OperationId, requestHash: this.#random.bits() };
    const percent = this.#random.below(100);
    if (percent < 40 || stage.held.length === 0) {
      const choice = percent < 20 ? this.#namedSeats() : this.#numberOfSeats();
      return { kind: "PlaceHold", session: this.#name() as SessionId, operation, choice };
    }
    const { id: bookingId, session } = this.#random.pick(stage.held);
    const about = { session, bookingId };
    if (percent < 50) return { kind: "ReleaseHold", ...about, operation };
    if (percent < 65) {
      return { kind: "ConfirmBooking", ...about, operation, paymentToken: "pm_card_visa", contactEmail: undefined };
    }
    if (percent < 72) return { kind: "ExtendHold", ...about, operation };
    return { kind: "ReadBooking", ...about };
  }

  #namedSeats(): SeatChoice {
    const first = this.#random.below(SEATS - 3);
    return { by: "seats", seats: [0, 1, 2, 3].slice(0, 1 + this.#random.below(4)).map((i) => first + i) };
  }

  #numberOfSeats(): SeatChoice {
    const category = this.#random.below(2) === 0 ? undefined : this.#random.below(3);
    const quantity = 1 + this.#random.below(4);
    return { by: "quantity", quantity, category, accessible: false, contiguous: false };
  }

  /** 22 characters of base64url, as an operation's id. */
  #name(): string {
    for (let at = 0; at < this.#bytes.length; at += 4) this.#bytes.writeUInt32LE(this.#random.bits(), at);
    return this.#bytes.toString("base64url");
  }
}

/** What the actor does once a turn's events are committed: what ended goes out of the state. */
function evict({ state }: Stage, { events }: Turn): void {
  for (const event of events) {
    switch (event.kind) {
      case "HoldExtended":
        state.operations.delete(event.operation);
        break;
      case "HoldReleased":
        if (event.operation !== undefined) state.operations.delete(event.operation);
        evictBooking(state, event.id);
        break;
      case "HoldExpired":
        evictBooking(state, event.id);
        break;
      case "BookingConfirmed":
        if (event.begun !== undefined) state.operations.delete(event.begun.operation);
        evictBooking(state, event.id);
        break;
      case "HoldPlaced":
        break;
      default:
        throw new Error(`${event.kind} is not in the mix`);
    }
  }
}

function evictBooking(state: ShowState, id: BookingId): void {
  const booking = state.bookings.get(id);
  if (booking !== undefined && !isLive(booking) && !isUnfinished(booking.payment)) state.bookings.delete(id);
}

/** What the clients learn from the answers. */
function note(stage: Stage, { events }: Turn): void {
  for (const event of events) {
    if (event.kind === "HoldPlaced")
      stage.held.push({ id: event.id, session: event.session, seats: event.seats.length });
    else if ("id" in event && event.kind !== "HoldExtended") {
      const ticket = stage.held.find(({ id }) => id === event.id);
      if (ticket === undefined) continue;
      stage.held = stage.held.filter((other) => other !== ticket);
      if (event.kind === "BookingConfirmed") stage.soldSeats += ticket.seats;
    }
  }
}
