// A steady mix of turns over many shows, for measuring the core alone.
// W1: a show has about half its seats sold; what is confirmed beyond that is made up for by cancelling the oldest.
// W2: timed are the turns, the fetch protocol where a command names a cold booking (both turns counted), and throwing
//     out of the state what ended, as the actor does after a commit.
// W3: commands are made before, a short stretch at a time, as a request is parsed before its turn; what the clients
//     remember of the answers is noted after.

import type { ShowCommand } from "../allocator/core/command.ts";
import type { Rules } from "../allocator/core/decision.ts";
import { type Booking, isLive, isUnfinished, type ShowState } from "../allocator/core/state.ts";
import { type Turn, takeTurn } from "../allocator/core/turn.ts";
import type { BookingId, OperationId, SessionId } from "../shared/kernel/ids.ts";
import { SeededRandom } from "../shared/kernel/seeded-random.ts";
import type { SeatChoice } from "../shared/protocol/command.ts";
import { benchHall, OPENED_AT, openBenchShow, SEATS } from "./core-show.ts";

const STRETCH_TURNS = 512;
/** On average this much time passes in a show between two turns: a show that takes 1,400 a day. */
const TURN_SPACING_MS = 60_000;
const SOLD_BOOKINGS = 40;
const RULES: Rules = { payTtlMs: 120_000, releaseOnDecline: true, instantPayments: true };

/** What a client remembers of its booking. */
interface Ticket {
  readonly id: BookingId;
  readonly session: SessionId;
}

interface Stage {
  readonly state: ShowState;
  now: number;
  held: Ticket[];
  sold: Ticket[];
  /** The table: bookings that are out of memory. */
  readonly rows: Map<BookingId, Booking>;
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

export class CoreWorkload {
  readonly #stages: Stage[];
  readonly #random: SeededRandom;
  readonly #bytes = Buffer.alloc(16);

  constructor({ shows, seed }: { shows: number; seed: number }) {
    const hall = benchHall();
    this.#random = new SeededRandom(seed);
    this.#stages = Array.from({ length: shows }, (_, i) => ({
      state: openBenchShow(`show-${i}`, hall),
      now: OPENED_AT,
      held: [],
      sold: [],
      rows: new Map(),
    }));
  }

  /** At least `count` turns, each in a show chosen at random, and how long they took. */
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
        warm(stage, command);
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
    const stage = random.pick(this.#stages);
    stage.now += random.below(2 * TURN_SPACING_MS);
    return { stage, now: stage.now, command: this.#command(stage) };
  }

  #command(stage: Stage): ShowCommand {
    const operation = { id: this.#name() as OperationId, requestHash: this.#random.bits() };
    const oldest = stage.sold.length > SOLD_BOOKINGS ? stage.sold.shift() : undefined;
    if (oldest !== undefined) {
      return { kind: "CancelBooking", session: oldest.session, operation, bookingId: oldest.id };
    }
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

/** What a fetch does: the row that the command names goes back into the state. */
function warm({ state, rows }: Stage, command: ShowCommand): void {
  const row = "bookingId" in command ? rows.get(command.bookingId) : undefined;
  if (row !== undefined) state.bookings.set(row.id, row);
}

/** What the actor does once a turn's events are committed: what ended goes out of the state. */
function evict({ state, rows }: Stage, { events }: Turn): void {
  for (const event of events) {
    if (!("id" in event)) continue;
    if (event.kind === "BookingConfirmed") {
      if (event.begun !== undefined) state.operations.delete(event.begun.operation);
    } else if ("operation" in event && event.operation !== undefined) state.operations.delete(event.operation);
    const booking = state.bookings.get(event.id);
    if (booking === undefined || isLive(booking) || isUnfinished(booking.payment)) continue;
    state.bookings.delete(event.id);
    if (booking.status === "booked") rows.set(event.id, booking);
    else rows.delete(event.id);
  }
}

/** What the clients learn from the answers. */
function note(stage: Stage, { events }: Turn): void {
  for (const event of events) {
    if (event.kind === "HoldPlaced") stage.held.push({ id: event.id, session: event.session });
    else if ("id" in event && event.kind !== "HoldExtended") {
      const ticket = stage.held.find(({ id }) => id === event.id);
      if (ticket === undefined) continue;
      stage.held = stage.held.filter((other) => other !== ticket);
      if (event.kind === "BookingConfirmed") stage.sold.push(ticket);
    }
  }
}
