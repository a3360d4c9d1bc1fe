// The allocator behind the gateway's interface, in one process: what NATS will carry is a function call here.
// L1: a command that finds its actor gone is asked again with the same operation, within its deadline; done twice it
//     takes effect once.
// L2: `ask` never rejects. Past the deadline a mutation's outcome is `outcome_pending`, never "failed"; a fault that
//     comes after an unknown outcome says that it is unknown.

import type { ShowId } from "../../shared/kernel/ids.ts";
import { sleepMs, type Timers, within } from "../../shared/platform/timers.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type { CheckPayment, Command, ConfirmBooking } from "../../shared/protocol/command.ts";
import type { Moved, Reply, ShowUpdate } from "../../shared/protocol/reply.ts";
import type { Registry } from "../actor/registry.ts";
import { AGAIN, type Answer } from "../actor/show-actor.ts";
import type { ShowCommand } from "../core/command.ts";
import type { Journal } from "../journal/journal.ts";
import type { PaymentSaga } from "../payments/saga.ts";

/** A confirm is answered by then, booked, declined or still paying. */
const CONFIRM_WAIT_MS = 2_000;
const RETRY_PAUSE_MS = 20;
const LOG_PAGE_MAX = 1_000;

type NodeReply = Reply | Moved;

export interface LocalPortOptions {
  readonly registry: Pick<Registry, "take">;
  readonly journal: Pick<Journal, "terms" | "log">;
  /** Absent where payments are instant. */
  readonly saga: PaymentSaga | undefined;
  readonly timers: Timers;
  readonly now: () => number;
  readonly random: () => number;
  readonly unready: () => readonly string[];
}

export class LocalPort implements AllocatorPort {
  readonly #options: LocalPortOptions;
  readonly #listeners = new Set<(update: ShowUpdate) => void>();
  readonly #refreshing = new Map<ShowId, Promise<unknown>>();

  constructor(options: LocalPortOptions) {
    this.#options = options;
  }

  onUpdate(listener: (update: ShowUpdate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** In one process nothing is lost on the way. */
  onLost(): () => void {
    return () => undefined;
  }

  /** For the registry: a committed change, before its replies leave. */
  publish(update: ShowUpdate): void {
    for (const listener of this.#listeners) listener(update);
  }

  unready(): readonly string[] {
    return this.#options.unready();
  }

  /** For a gateway in this process. There is nobody else: nothing moves. */
  async ask(showId: ShowId, command: Command, deadlineMs: number): Promise<Reply> {
    const reply = await this.serve(showId, command, deadlineMs);
    return reply.kind === "moved" ? pending() : reply;
  }

  /** For gateways elsewhere: `moved` where the show is another node's. */
  async serve(showId: ShowId, command: Command, deadlineMs: number): Promise<NodeReply> {
    const endsAt = this.#options.now() + deadlineMs;
    switch (command.kind) {
      case "ReadSeatMap":
        return this.#untilAnswered(showId, "ReadSeatMap", endsAt);
      case "ReadLog":
        return this.#readLog(showId, command.after, command.limit, endsAt);
      case "RefreshTerms":
        return this.#refreshTerms(showId, endsAt);
      case "ConfirmBooking":
        return this.#confirm(showId, command, endsAt);
      case "CheckPayment":
        return this.#checkPayment(showId, command, endsAt);
      default:
        return this.#untilAnswered(showId, command, endsAt);
    }
  }

  #take(showId: ShowId, command: ShowCommand | "ReadSeatMap"): Promise<Answer> {
    return new Promise((resolve) => this.#options.registry.take(showId, command, resolve));
  }

  /** The same command again and again until the show answers or the time is up (L1). */
  async #untilAnswered(showId: ShowId, command: ShowCommand | "ReadSeatMap", endsAt: number): Promise<NodeReply> {
    const { now, timers, random } = this.#options;
    for (let isFirst = true; ; isFirst = false) {
      const answer = await this.#beforeDeadline(this.#take(showId, command), endsAt);
      if (answer !== AGAIN) return isFirst ? answer : withUnknownOutcome(answer);
      if (now() + RETRY_PAUSE_MS >= endsAt) return pending();
      await sleepMs(RETRY_PAUSE_MS * (0.5 + random()), timers);
    }
  }

  #beforeDeadline(answer: Promise<Answer>, endsAt: number): Promise<Answer> {
    const { now, timers } = this.#options;
    return within(answer, Math.max(0, endsAt - now()), pending, timers);
  }

  async #confirm(showId: ShowId, command: ConfirmBooking, endsAt: number): Promise<NodeReply> {
    const { saga, now } = this.#options;
    if (saga === undefined) return this.#untilAnswered(showId, command, endsAt);
    const confirmBy = Math.min(endsAt, now() + CONFIRM_WAIT_MS);
    // Watches before it asks, so that no outcome is missed.
    const watch = saga.watch(command.bookingId);
    try {
      const reply = await this.#untilAnswered(showId, command, endsAt);
      if (reply.kind !== "booking" || reply.booking.status !== "paying") return reply;
      await watch.outcome(Math.max(0, confirmBy - now()));
      // The same confirm again answers the booking's present outcome; where it cannot, the payment is still begun.
      const outcome = await this.#untilAnswered(showId, command, endsAt);
      return outcome.kind === "fault" ? reply : withUnknownOutcome(outcome);
    } finally {
      watch.end();
    }
  }

  /** The show says whose it is; its saga asks the provider. */
  async #checkPayment(showId: ShowId, command: CheckPayment, endsAt: number): Promise<NodeReply> {
    const { saga, now, timers } = this.#options;
    if (saga === undefined) return { kind: "done" };
    const reply = await this.#untilAnswered(showId, command, endsAt);
    if (reply.kind === "done") saga.hint(command.bookingId);
    if (reply.kind !== "booking") return reply;
    const isGone = await within(saga.strays.giveBack(command), Math.max(0, endsAt - now()), () => false, timers);
    return isGone ? { kind: "done" } : pending();
  }

  async #readLog(showId: ShowId, after: number, limit: number, endsAt: number): Promise<NodeReply> {
    // Through the show first, so that a show that does not exist is refused and an old owner does not answer.
    const alive = await this.#untilAnswered(showId, { kind: "Tick" }, endsAt);
    if (alive.kind !== "done") return alive;
    try {
      const entries = await this.#options.journal.log(showId, after, Math.min(limit, LOG_PAGE_MAX));
      return { kind: "log", entries };
    } catch {
      return storeAway();
    }
  }

  /** One after the other: what was read first must not be recorded last. */
  async #refreshTerms(showId: ShowId, endsAt: number): Promise<NodeReply> {
    const before = this.#refreshing.get(showId) ?? Promise.resolve();
    const refreshing = before.then(() => this.#readTerms(showId, endsAt));
    this.#refreshing.set(showId, refreshing);
    const reply = await refreshing;
    if (this.#refreshing.get(showId) === refreshing) this.#refreshing.delete(showId);
    return reply;
  }

  async #readTerms(showId: ShowId, endsAt: number): Promise<NodeReply> {
    try {
      const terms = await this.#options.journal.terms(showId);
      return await this.#untilAnswered(showId, { kind: "ChangeTerms", terms }, endsAt);
    } catch {
      return storeAway();
    }
  }
}

/** What was asked before may have taken effect. */
function withUnknownOutcome(reply: NodeReply): NodeReply {
  if (reply.kind === "moved") return { ...reply, isUncertain: true };
  return reply.kind === "fault" ? { kind: "fault", fault: { ...reply.fault, outcome: "unknown" } } : reply;
}

const storeAway = (): Reply => ({
  kind: "fault",
  fault: { code: "store_unavailable", outcome: "none", retryAfterMs: 1_000 },
});
const pending = (): Reply => ({
  kind: "fault",
  fault: { code: "outcome_pending", outcome: "unknown", retryAfterMs: 1_000 },
});
