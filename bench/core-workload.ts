// A steady mix of turns over many shows, for measuring the core alone.
// W1: a show has about half its seats sold; what is confirmed beyond that is made up for by cancelling the oldest.
// W2: after each turn, what ended goes out of the state, as the actor does it after a commit; a command about such a
//     booking goes through the fetch protocol, both turns counted.
// W3: all random choices are drawn before a round is timed.

import type { ShowCommand } from "../allocator/core/command.ts";
import type { Rules } from "../allocator/core/decision.ts";
import { evolve } from "../allocator/core/evolve.ts";
import { compileHall, type Hall } from "../allocator/core/hall.ts";
import { type Booking, isLive, isUnfinished, newShow, type ShowState } from "../allocator/core/state.ts";
import { type Turn, takeTurn } from "../allocator/core/turn.ts";
import type { BookingId, OperationId, SessionId, ShowId } from "../shared/kernel/ids.ts";
import { SeededRandom } from "../shared/kernel/seeded-random.ts";
import type { LayoutSeat } from "../shared/protocol/layout.ts";
import type { ShowTerms } from "../shared/protocol/terms.ts";

const ROWS = 10;
const SEATS_PER_ROW = 20;
/** On average this much time passes in a show between two turns: a busy hour of a busy show. */
const TURN_SPACING_MS = 20_000;
const SOLD_BOOKINGS = 40;
const OPENED_AT = 1_800_000_000_000;

const TERMS: ShowTerms = {
  prices: [1_100, 1_500, 2_200],
  currency: "USD",
  startsAt: OPENED_AT * 2,
  salesCutoffAt: OPENED_AT * 2,
  holdTtlMs: 300_000,
  graceMs: 5_000,
  offerTtlMs: 120_000,
  waitlistPolicy: "strict",
  singleGap: "allow",
  gated: false,
  cancelled: false,
};

/** 10 rows of 20 with two aisles, three categories, four accessible seats. */
export function benchHall(): Hall {
  const seats: LayoutSeat[] = [];
  for (let row = 0; row < ROWS; row += 1) {
    for (let place = 0; place < SEATS_PER_ROW; place += 1) {
      const letter = String.fromCharCode(65 + row);
      seats.push({
        index: seats.length,
        label: `${letter}${place + 1}`,
        section: "main",
        row: letter,
        number: place + 1,
        x: place + (place >= 5 ? 1 : 0) + (place >= 15 ? 1 : 0),
        y: row,
        category: row < 3 ? "front" : row < 8 ? "middle" : "back",
        accessible: row === ROWS - 1 && place < 4,
      });
    }
  }
  return compileHall({ layout_id: "bench-200", focus: { x: 10.5, y: 6 }, seats });
}

export function openBenchShow(id: string, hall: Hall): ShowState {
  const state = newShow(id as ShowId, hall, TERMS);
  evolve(state, { kind: "ShowOpened", layoutId: hall.layoutId, terms: TERMS }, 1, OPENED_AT);
  return state;
}

interface Stage {
  readonly state: ShowState;
  now: number;
  readonly held: Booking[];
  /** Rows as the table has them: booked, out of memory. */
  readonly sold: Booking[];
}

const RULES: Rules = { payTtlMs: 120_000, releaseOnDecline: true, instantPayments: true };

/** Turns timed at a stretch; their ids and random choices are made before, as a request is parsed before its turn. */
const CHUNK_TURNS = 4_096;
const SESSIONS = 1_024;
const BITS_PER_TURN = 4;

export class CoreWorkload {
  readonly #stages: Stage[];
  readonly #random: SeededRandom;
  readonly #bits = new Int32Array(CHUNK_TURNS * BITS_PER_TURN);
  readonly #operations: OperationId[] = [];
  readonly #sessions: SessionId[] = [];
  readonly #bytes = Buffer.alloc(16);
  #nextOperation = 0;
  #turns = 0;

  constructor({ shows, seed }: { shows: number; seed: number }) {
    const hall = benchHall();
    this.#random = new SeededRandom(seed);
    this.#stages = Array.from({ length: shows }, (_, i) => ({
      state: openBenchShow(`show-${i}`, hall),
      now: OPENED_AT,
      held: [],
      sold: [],
    }));
  }

  /** At least `count` turns, each in a show chosen at random, and how long they took. */
  run(count: number): { turns: number; tookNs: number } {
    this.#turns = 0;
    let tookNs = 0;
    while (this.#turns < count) {
      this.#prepare();
      const before = process.hrtime.bigint();
      for (let i = 0; i < this.#bits.length; i += BITS_PER_TURN) this.#step(i);
      tookNs += Number(process.hrtime.bigint() - before);
    }
    return { turns: this.#turns, tookNs };
  }

  /** What comes of about `count` turns, a line each. */
  profile(count: number): string {
    const counts = new Map<string, number>();
    let steps = 0;
    for (; steps < count; steps += CHUNK_TURNS) {
      this.#prepare();
      for (let i = 0; i < this.#bits.length; i += BITS_PER_TURN) {
        const { command, turn } = this.#step(i);
        const { decision } = turn;
        const outcome = decision.kind === "refuse" ? decision.refusal.code : decision.kind;
        const label = `${command.kind === "PlaceHold" ? `PlaceHold by ${command.choice.by}` : command.kind} → ${outcome}`;
        counts.set(label, (counts.get(label) ?? 0) + 1);
      }
    }
    const lines = [...counts].sort((a, b) => b[1] - a[1]);
    return lines.map(([label, n]) => `  ${((100 * n) / steps).toFixed(1).padStart(5)} %  ${label}`).join("\n");
  }

  #prepare(): void {
    for (let i = 0; i < this.#bits.length; i += 1) this.#bits[i] = this.#random.bits() >>> 1;
    for (let i = 0; i < CHUNK_TURNS; i += 1) this.#operations[i] = this.#name() as OperationId;
    for (let i = 0; i < SESSIONS; i += 1) this.#sessions[i] = this.#name() as SessionId;
    this.#nextOperation = 0;
  }

  #step(at: number): { command: ShowCommand; turn: Turn } {
    const bits = this.#bits;
    const stage = this.#stages[(bits[at] as number) % this.#stages.length] as Stage;
    stage.now += (bits[at + 1] as number) % (2 * TURN_SPACING_MS);
    const command = this.#command(stage, (bits[at + 2] as number) % 100, bits[at + 3] as number);
    let turn = this.#turn(stage, command, false);
    if (turn.decision.kind === "fetch") {
      const row = stage.sold.find((booking) => "bookingId" in command && booking.id === command.bookingId);
      if (row !== undefined) stage.state.bookings.set(row.id, row);
      turn = this.#turn(stage, command, true);
    }
    return { command, turn };
  }

  #turn(stage: Stage, command: ShowCommand, looked: boolean): Turn {
    this.#turns += 1;
    const turn = takeTurn(stage.state, command, { now: stage.now, rules: RULES, paymentsAvailable: true, looked });
    for (const event of turn.events) if ("id" in event) settle(stage, event.id, event);
    return turn;
  }

  #command(stage: Stage, percent: number, bits: number): ShowCommand {
    const session = this.#sessions[bits % SESSIONS] as SessionId;
    const held = stage.held[(bits >>> 16) % Math.max(stage.held.length, 1)];
    const oldest = stage.sold[0];
    const operation = { id: this.#operations[this.#nextOperation++] as OperationId, requestHash: bits };
    if (oldest !== undefined && stage.sold.length > SOLD_BOOKINGS) {
      return { kind: "CancelBooking", session: oldest.session, operation, bookingId: oldest.id };
    }
    if (percent < 20 || held === undefined) {
      const first = (bits >>> 14) % (ROWS * SEATS_PER_ROW - 3);
      const seats = [first];
      for (let more = (bits >>> 8) % 4; more > 0; more -= 1) seats.push(first + seats.length);
      return { kind: "PlaceHold", session, operation, choice: { by: "seats", seats } };
    }
    if (percent < 40) {
      const category = bits & 16 ? undefined : (bits >>> 5) % 3;
      const quantity = 1 + ((bits >>> 8) % 4);
      return {
        kind: "PlaceHold",
        session,
        operation,
        choice: { by: "quantity", quantity, category, accessible: false, contiguous: false },
      };
    }
    const about = { session: held.session, bookingId: held.id };
    if (percent < 50) return { kind: "ReleaseHold", ...about, operation };
    if (percent < 65)
      return { kind: "ConfirmBooking", ...about, operation, paymentToken: "pm_card_visa", contactEmail: undefined };
    if (percent < 72) return { kind: "ExtendHold", ...about, operation };
    return { kind: "ReadBooking", ...about };
  }

  /** 22 characters of base64url, as an operation's id. */
  #name(): string {
    for (let at = 0; at < this.#bytes.length; at += 4) this.#bytes.writeUInt32LE(this.#random.bits(), at);
    return this.#bytes.toString("base64url");
  }
}

/** What the shell does with a booking after its event is committed (W2). */
function settle(
  { state, held, sold }: Stage,
  id: BookingId,
  event: { readonly kind: string; readonly operation?: OperationId },
): void {
  if (event.operation !== undefined) state.operations.delete(event.operation);
  const booking = state.bookings.get(id);
  if (booking === undefined) return;
  if (event.kind === "HoldPlaced") held.push(booking);
  if (isLive(booking)) return;
  const place = held.indexOf(booking);
  if (place >= 0) held.splice(place, 1);
  if (booking.status === "booked") sold.push(booking);
  else if (event.kind === "BookingCancelled") sold.splice(sold.indexOf(booking), 1);
  if (!isUnfinished(booking.payment)) state.bookings.delete(id);
}
