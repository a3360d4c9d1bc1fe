// A steady mix of turns over many shows, for measuring the core alone.
// W1: a show has about half its seats sold; what is confirmed beyond that is made up for by cancelling the oldest.
// W2: after each turn, what ended goes out of the state, as the actor does it after a commit; a command about such a
//     booking goes through the fetch protocol, both turns counted.
// W3: all random choices are drawn before a round is timed.

import type { ShowCommand } from "../allocator/core/command.ts";
import type { TurnContext } from "../allocator/core/decision.ts";
import { evolve } from "../allocator/core/evolve.ts";
import { compileHall, type Hall } from "../allocator/core/hall.ts";
import { isLive, isUnfinished, newShow, type Booking, type ShowState } from "../allocator/core/state.ts";
import { takeTurn, type Turn } from "../allocator/core/turn.ts";
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

const CONTEXT: Omit<TurnContext, "now"> = {
  rules: { payTtlMs: 120_000, releaseOnDecline: true, instantPayments: true },
  paymentsAvailable: true,
  looked: false,
};

// Powers of two: taken round and round. No show sees an operation a second time within a run.
const OPERATIONS = 1 << 20;
const SESSIONS = 1 << 14;
const BITS_PER_TURN = 4;

export class CoreWorkload {
  readonly #stages: Stage[];
  readonly #random: SeededRandom;
  readonly #operations: OperationId[];
  readonly #sessions: SessionId[];
  readonly #counts = new Map<string, number>();
  #bits = new Uint32Array(0);
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
    this.#operations = Array.from({ length: OPERATIONS }, () => this.#name() as OperationId);
    this.#sessions = Array.from({ length: SESSIONS }, () => this.#name() as SessionId);
  }

  /** Draws the random choices of the next run's turns. */
  prepare(turns: number): void {
    this.#bits = new Uint32Array(turns * BITS_PER_TURN);
    for (let i = 0; i < this.#bits.length; i += 1) this.#bits[i] = this.#random.bits();
  }

  /** The prepared turns, each in a show chosen at random; answers how many it took. */
  run(): number {
    this.#turns = 0;
    const last = this.#bits.length - BITS_PER_TURN;
    for (let i = 0; i <= last; i += BITS_PER_TURN) this.#step(i);
    return this.#turns;
  }

  /** The prepared turns once more, counting what comes of them. */
  profile(): string {
    this.#counts.clear();
    const last = this.#bits.length - BITS_PER_TURN;
    for (let i = 0; i <= last; i += BITS_PER_TURN) {
      const { command, turn } = this.#step(i);
      const { decision } = turn;
      const outcome = decision.kind === "refuse" ? decision.refusal.code : decision.kind;
      const label = `${command.kind === "PlaceHold" ? `PlaceHold by ${command.choice.by}` : command.kind} → ${outcome}`;
      this.#counts.set(label, (this.#counts.get(label) ?? 0) + 1);
    }
    const steps = this.#bits.length / BITS_PER_TURN;
    const lines = [...this.#counts].sort((a, b) => b[1] - a[1]);
    return lines.map(([label, n]) => `  ${((100 * n) / steps).toFixed(1).padStart(5)} %  ${label}`).join("\n");
  }

  #step(at: number): { command: ShowCommand; turn: Turn } {
    const [which, what, how, when] = this.#bits.subarray(at, at + BITS_PER_TURN) as unknown as [number, number, number, number];
    const stage = this.#stages[which % this.#stages.length] as Stage;
    stage.now += when % (2 * TURN_SPACING_MS);
    const command = this.#command(stage, what % 100, how);
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
    const turn = takeTurn(stage.state, command, { ...CONTEXT, now: stage.now, looked });
    for (const event of turn.events) if ("id" in event) settle(stage, event.id, event);
    return turn;
  }

  #command(stage: Stage, percent: number, bits: number): ShowCommand {
    const session = this.#sessions[bits % SESSIONS] as SessionId;
    const held = stage.held[(bits >>> 16) % Math.max(stage.held.length, 1)];
    const oldest = stage.sold[0];
    const operation = { id: this.#operations[this.#nextOperation++ % OPERATIONS] as OperationId, requestHash: bits };
    if (oldest !== undefined && stage.sold.length > SOLD_BOOKINGS) {
      return { kind: "CancelBooking", session: oldest.session, operation, bookingId: oldest.id };
    }
    if (percent < 20 || held === undefined) {
      const first = (bits >>> 14) % (ROWS * SEATS_PER_ROW - 3);
      const seats = Array.from({ length: 1 + ((bits >>> 8) % 4) }, (_, i) => first + i);
      return { kind: "PlaceHold", session, operation, choice: { by: "seats", seats } };
    }
    if (percent < 40) {
      const category = bits & 16 ? undefined : (bits >>> 5) % 3;
      const quantity = 1 + ((bits >>> 8) % 4);
      return { kind: "PlaceHold", session, operation, choice: { by: "quantity", quantity, category, accessible: false, contiguous: false } };
    }
    const about = { session: held.session, bookingId: held.id };
    if (percent < 50) return { kind: "ReleaseHold", ...about, operation };
    if (percent < 65) return { kind: "ConfirmBooking", ...about, operation, paymentToken: "pm_card_visa", contactEmail: undefined };
    if (percent < 72) return { kind: "ExtendHold", ...about, operation };
    return { kind: "ReadBooking", ...about };
  }

  /** 22 characters as long as an operation's. */
  #name(): string {
    let name = "";
    while (name.length < 22) name += this.#random.bits().toString(36).padStart(7, "0");
    return name.slice(-22);
  }
}

/** What the shell does with a booking after its event is committed (W2). */
function settle({ state, held, sold }: Stage, id: BookingId, event: { readonly kind: string; readonly operation?: OperationId }): void {
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
