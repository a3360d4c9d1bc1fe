// One show's actor: its turns, and the gate their answers leave by.
// O1: state moves at once, answers wait: a reply leaves only when every event before it is committed.
// O2: a reply with nothing uncommitted before it waits for a fence check begun after its turn, so that a deposed owner
//     cannot answer from a dead past.
// O3: a commit that fails, or whose outcome is unknown, ends the actor. Nothing is ever patched: the show is claimed
//     and loaded anew, and whoever waited asks again with the same key.
// O4: nothing awaits between a turn's decision and its place in the batch.

import { assertNever } from "../../shared/kernel/assert.ts";
import { type BookingId, type ShowId, showOf, type WaiterId } from "../../shared/kernel/ids.ts";
import type { Moved, Reply, ShowUpdate } from "../../shared/protocol/reply.ts";
import type { Line } from "../../waitlist/core/line.ts";
import { hasToClear } from "../core/cancel-booking.ts";
import type { ShowCommand } from "../core/command.ts";
import type { Decision, Rules } from "../core/decision.ts";
import { nextAt } from "../core/due.ts";
import { type Booking, isToBeCleared, isUnfinished, queuedSeats, type ShowState, viewOf } from "../core/state.ts";
import { type Turn, takeTurn } from "../core/turn.ts";
import { waiterViewOf } from "../core/waiter-view.ts";
import type { Participant } from "../journal/group-commit.ts";
import type { ColdQuery, ColdRows, CommitEntry, CommitOutcome } from "../journal/journal.ts";
import { Clearing, type ClearingSurroundings } from "./clearing.ts";
import { Outbox } from "./outbox.ts";
import { seatText } from "./seat-text.ts";
import { type NamedRows, WarmRows } from "./warm-rows.ts";

/** What an actor answers when its show has to be claimed and loaded anew: ask again, with the same key. */
export const AGAIN = Symbol("again");
export type Answer = Reply | Moved | typeof AGAIN;

/** Answers that have not left yet, at most: past that the show is overloaded. */
export const UNANSWERED_MAX = 20_000;

/** `dropped`: its registry ended it, e.g. after an outage. */
export type DeathCause = Exclude<CommitOutcome, "committed"> | "bug" | "dropped";

export interface ActorSurroundings extends ClearingSurroundings {
  readonly rules: Rules;
  readonly paymentsAvailable: () => boolean;
  /** Asks for a commit; the actor is then sealed and settled (G1). */
  readonly ready: (participant: Participant) => void;
  readonly isOwner: (showId: ShowId, epoch: number) => Promise<boolean>;
  readonly cold: (query: ColdQuery) => Promise<ColdRows>;
  /** A committed change, before its replies leave; with its entry and layout where turns were committed. */
  readonly onCommitted: (update: ShowUpdate, entry?: CommitEntry, layoutId?: string) => void;
  /** Bookings whose payment somebody has to drive on; their present, committed images. */
  readonly onUnfinished: (bookings: readonly Booking[]) => void;
  /** The actor is dead: forget it. `conflict`: the store refused its turns, so it must not be loaded again. */
  readonly onDead: (showId: ShowId, cause: DeathCause, error?: unknown) => void;
  readonly onDeadline: (showId: ShowId, at: number) => void;
}

export class ShowActor implements Participant {
  readonly #state: ShowState;
  readonly showId: ShowId;
  readonly epoch: number;
  readonly #around: ActorSurroundings;
  readonly #outbox: Outbox;
  /** The map before the turn under way, where somebody waits: an idle show has none. */
  #seatsBefore: Uint8Array | undefined;
  /** What the seat views were told last of the seats that are queued for. */
  #toldQueued: number;
  #isDead = false;
  #unanswered = 0;
  readonly #rows: WarmRows;
  readonly #clearing: Clearing;

  constructor(state: ShowState, epoch: number, around: ActorSurroundings) {
    this.#state = state;
    this.showId = state.showId;
    this.#rows = new WarmRows(state);
    this.#clearing = new Clearing(state, around);
    this.#outbox = new Outbox(state, epoch);
    this.epoch = epoch;
    this.#around = around;
    this.#toldQueued = queuedSeats(state);
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Nothing uncommitted, nothing unanswered and nothing that ends by itself: may be dropped from memory. */
  isIdle(): boolean {
    return (
      this.#outbox.isEmpty &&
      this.#unanswered === 0 &&
      this.#state.deadlines.size === 0 &&
      this.#state.bookings.size === 0 &&
      !isToBeCleared(this.#state) &&
      (this.#state.line === undefined || this.#state.line.size === 0)
    );
  }

  /** One turn. `reply` is called once, when the answer may leave. */
  take(command: ShowCommand, reply: (answer: Answer) => void): void {
    if (this.#unanswered >= UNANSWERED_MAX) return reply(overloaded());
    this.#takeTurn(command, false, this.#counted(reply));
  }

  /** Its next deadline has come, or there is something else to do without being asked. */
  tick(): void {
    const now = this.#around.now();
    if (this.#clearing.nextAt(this.#outbox.isEmpty) > now) this.take({ kind: "Tick" }, () => undefined);
    else void this.#clear();
  }

  /** A cancelled show's bookings: those in memory, and when there are none, cold ones. */
  async #clear(): Promise<void> {
    if (!hasToClear(this.#state) && !(await this.#clearing.read())) {
      if (!this.#isDead) this.#around.onDeadline(this.showId, this.nextDeadlineAt());
      return;
    }
    this.#takeTurn(
      { kind: "ClearShow" },
      false,
      this.#counted(() => undefined),
    );
  }

  /** The seat map as it is now; waits for the gate like any other answer. */
  readSeatMap(reply: (answer: Answer) => void): void {
    if (this.#unanswered >= UNANSWERED_MAX) return reply(overloaded());
    const counted = this.#counted(reply);
    const turn = this.#turn({ kind: "Tick" }, false);
    if (turn === undefined) return counted(AGAIN);
    const { showId, seq, seats } = this.#state;
    const queued = queuedSeats(this.#state);
    const snapshot = { showId, epoch: this.epoch, version: seq, status: seatText(seats), queued };
    this.#gate({ kind: "snapshot", snapshot }, counted);
  }

  /** Ends the actor: what is committed stays, what is not never was. */
  die(cause: DeathCause, error?: unknown): void {
    if (this.#isDead) return;
    this.#isDead = true;
    const dropped = this.#outbox.drop();
    this.#around.onDead(this.showId, cause, error);
    for (const batch of dropped) for (const settle of batch.waiting) settle(false);
  }

  seal(): CommitEntry | undefined {
    return this.#outbox.seal();
  }

  settled(outcome: CommitOutcome): void {
    const settled = this.#outbox.settled();
    if (settled === undefined) return;
    const { batch, entry, update, unfinished } = settled;
    if (outcome !== "committed") {
      this.die(outcome);
      for (const settle of batch.waiting) settle(false);
      return;
    }
    this.#around.onCommitted(update, entry, this.#state.hall.layoutId);
    for (const settle of batch.waiting) settle(true);
    if (this.#isDead) return;
    if (unfinished.length > 0) this.#around.onUnfinished(unfinished);
    const uncommitted = this.#outbox.batches();
    this.#rows.evict(batch, uncommitted);
    this.#rows.evict({ bookings: [], waiters: [], operations: batch.paymentOperations }, uncommitted);
    this.#toldQueued = update.queued;
    if (this.#outbox.isReady) this.#around.ready(this);
    else this.#tellQueued();
    if (this.#state.terms.cancelled) this.#around.onDeadline(this.showId, this.nextDeadlineAt());
  }

  /** Bookings found at load whose payment somebody has to drive on. */
  unfinished(): Booking[] {
    return [...this.#state.bookings.values()]
      .filter((booking) => isUnfinished(booking.payment))
      .map((booking) => ({ ...booking }));
  }

  /** When the show has something to do by itself: `Infinity` never, `-Infinity` now. */
  nextDeadlineAt(): number {
    return Math.min(nextAt(this.#state), this.#clearing.nextAt(this.#outbox.isEmpty));
  }

  /** Who is in its line now: in all, and how many of them without an offer. */
  get line(): Pick<Line, "activeCount" | "waitingCount"> | undefined {
    return this.#state.line;
  }

  /** Free seats that waiters claim. */
  queuedSeats(): number {
    return queuedSeats(this.#state);
  }

  #counted(reply: (answer: Answer) => void): (answer: Answer) => void {
    this.#unanswered += 1;
    return (answer) => {
      this.#unanswered -= 1;
      reply(answer);
    };
  }

  #takeTurn(command: ShowCommand, looked: boolean, reply: (answer: Answer) => void): void {
    const turn = this.#turn(command, looked);
    if (turn === undefined) return reply(AGAIN);
    if (turn.decision.kind === "fetch") {
      void this.#fetch(turn.decision, command, reply);
      return;
    }
    this.#gate(this.#replyFor(command, turn.decision, turn.at), reply);
  }

  /** `undefined`: the actor is dead, or a bug just ended it. */
  #turn(command: ShowCommand, looked: boolean): Turn | undefined {
    if (this.#isDead) return undefined;
    // Asked only where it counts: the answer may be a promise, and a confirm that comes again would use it up.
    const paid = command.kind === "ConfirmBooking" ? this.#state.bookings.get(command.bookingId) : undefined;
    const paymentsAvailable = paid?.status !== "held" || this.#around.paymentsAvailable();
    const seatsBefore = this.#seatsWhereSomebodyWaits();
    let turn: Turn;
    try {
      const { now, rules } = this.#around;
      turn = takeTurn(this.#state, command, { now: now(), rules, paymentsAvailable, looked });
    } catch (error) {
      // The state may be half changed: it dies with its actor.
      this.die("bug", error);
      return undefined;
    }
    if (turn.events.length > 0) {
      this.#outbox.add(turn, seatsBefore);
      if (this.#outbox.isReady) this.#around.ready(this);
      // A poll that was only noted is recorded nowhere, yet it moves the moment from which its waiter is unseen.
    } else if (seatsBefore === undefined) return turn;
    else this.#tellQueued();
    this.#around.onDeadline(this.showId, this.nextDeadlineAt());
    return turn;
  }

  /** Who is skipped, or seen again, changes what is queued without an event; what is not committed yet says it later. */
  #tellQueued(): void {
    const queued = this.queuedSeats();
    if (queued === this.#toldQueued || !this.#outbox.isEmpty) return;
    this.#toldQueued = queued;
    const nothing = { previous: this.#state.seq, version: this.#state.seq, changes: [], touched: [] };
    this.#around.onCommitted({ showId: this.showId, epoch: this.epoch, ...nothing, queued });
  }

  #seatsWhereSomebodyWaits(): Uint8Array | undefined {
    const { line, seats } = this.#state;
    if (line === undefined || line.activeCount === 0) return undefined;
    this.#seatsBefore ??= new Uint8Array(seats.length);
    this.#seatsBefore.set(seats);
    return this.#seatsBefore;
  }

  #replyFor(command: ShowCommand, decision: Exclude<Decision, { kind: "fetch" }>, at: number): Reply {
    switch (decision.kind) {
      case "accept": {
        const waiter = decision.waiter && this.#state.line?.get(decision.waiter);
        if (waiter !== undefined) {
          return { kind: "waiter", waiter: waiterViewOf(this.#state, waiter, at), replayed: false };
        }
        const booking = decision.about === undefined ? undefined : this.#state.bookings.get(decision.about);
        if (booking !== undefined) return { kind: "booking", booking: viewOf(this.#state, booking), replayed: false };
        return doneWith(command);
      }
      case "answer":
        return { kind: "booking", booking: viewOf(this.#state, decision.booking), replayed: decision.replayed };
      case "answer_waiter": {
        const { waiter, replayed } = decision;
        return { kind: "waiter", waiter: waiterViewOf(this.#state, waiter, at), replayed };
      }
      case "done":
        return doneWith(command);
      case "refuse":
        return { kind: "refused", refusal: decision.refusal };
      case "payment_unavailable":
        return { kind: "fault", fault: { code: "payment_unavailable", outcome: "none", retryAfterMs: 5_000 } };
      default:
        return assertNever(decision);
    }
  }

  /** Lets the answer leave when everything before it is committed (O1), or this owner is proven to be one (O2). */
  #gate(answer: Reply, reply: (answer: Answer) => void): void {
    const { last } = this.#outbox;
    if (last !== undefined) {
      last.waiting.push((isCommitted) => reply(isCommitted ? answer : AGAIN));
      return;
    }
    void this.#gateByFence(answer, reply);
  }

  async #gateByFence(answer: Reply, reply: (answer: Answer) => void): Promise<void> {
    // The commit under way began before this turn: it proves what the answer rests on, the fence that it still stands.
    const { underWay } = this.#outbox;
    const committed = underWay === undefined || new Promise<boolean>((resolve) => underWay.waiting.push(resolve));
    let isOwner = false;
    try {
      isOwner = await this.#around.isOwner(this.showId, this.epoch);
    } catch {
      return reply(AGAIN);
    }
    if (!isOwner) this.die("fenced");
    reply(isOwner && (await committed) ? answer : AGAIN);
  }

  async #fetch(
    { booking, waiter, operation }: Extract<Decision, { kind: "fetch" }>,
    command: ShowCommand,
    reply: (answer: Answer) => void,
  ): Promise<void> {
    const named = { booking: this.#own(booking), waiter: this.#own(waiter), operation };
    this.#rows.pin(named);
    let rows: ColdRows;
    try {
      rows = await this.#around.cold({ showId: this.showId, ...named });
    } catch {
      this.#letGo(named, undefined);
      return reply(AGAIN);
    }
    if (!this.#isDead) this.#rows.warm(rows, operation);
    try {
      this.#takeTurn(command, true, reply);
    } finally {
      this.#letGo(named, rows);
    }
  }

  /** The named rows also when they were not in the table: they may have been made, and have ended, meanwhile. */
  #letGo(named: NamedRows, rows: ColdRows | undefined): void {
    this.#rows.unpin(named);
    const bookings = [named.booking, rows?.operationBooking?.id].filter((id) => id !== undefined);
    const waiters = [named.waiter, rows?.operationWaiter?.id].filter((id) => id !== undefined);
    const operations = named.operation === undefined ? [] : [named.operation];
    this.#rows.evict({ bookings, waiters, operations }, this.#outbox.batches());
  }

  /** An id of another show names nothing here. */
  #own<Id extends BookingId | WaiterId>(id: Id | undefined): Id | undefined {
    return id === undefined || showOf(id) !== this.showId ? undefined : id;
  }
}

const doneWith = (command: ShowCommand): Reply =>
  command.kind === "BlockSeats" || command.kind === "UnblockSeats"
    ? { kind: "seats", seats: command.seats }
    : { kind: "done" };

const overloaded = (): Reply => ({
  kind: "fault",
  fault: { code: "overloaded", outcome: "none", retryAfterMs: 1_000 },
});
