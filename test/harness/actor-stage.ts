// One actor of a new show in a test's hand: commits, fences and cold rows are answered when the test says so.

import { AGAIN, type Answer, type DeathCause, ShowActor } from "../../allocator/actor/show-actor.ts";
import type { ShowCommand } from "../../allocator/core/command.ts";
import { compileHall } from "../../allocator/core/hall.ts";
import { type Booking, newShow } from "../../allocator/core/state.ts";
import type { Participant } from "../../allocator/journal/group-commit.ts";
import type { BookedQuery, ColdQuery, ColdRows, CommitEntry, CommitOutcome } from "../../allocator/journal/journal.ts";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { settled } from "../../waitlist/poll/fake-time.ts";
import { bySeats, holdIdOf, newSession, placeHold, wordOf } from "./allocator.ts";
import { LAYOUT, TERMS } from "./fake-journal.ts";

export const SHOW = "show-1" as ShowId;
export const NO_ROWS: ColdRows = {
  booking: undefined,
  waiter: undefined,
  operation: undefined,
  operationBooking: undefined,
  operationWaiter: undefined,
};

interface Held<Q, A> {
  readonly query: Q;
  answer(answer: A): Promise<void>;
  fail(): Promise<void>;
}

function holding<Q, A>(): { held: Held<Q, A>[]; ask: (query: Q) => Promise<A> } {
  const held: Held<Q, A>[] = [];
  const ask = (query: Q): Promise<A> =>
    new Promise((resolve, reject) => {
      held.push({
        query,
        answer: async (answer) => {
          resolve(answer);
          await settled();
        },
        fail: async () => {
          reject(new Error("away"));
          await settled();
        },
      });
    });
  return { held, ask };
}

export class Stage {
  nowMs = 1_000_000;
  isPaymentUp = true;
  /** How often it was asked whether a payment may begin. */
  paymentsAsked = 0;
  readonly ready = new Set<Participant>();
  readonly fences = holding<number, boolean>();
  readonly colds = holding<ColdQuery, ColdRows>();
  readonly bookeds = holding<BookedQuery, Booking[]>();
  readonly updates: ShowUpdate[] = [];
  readonly unfinished: Booking[][] = [];
  readonly deaths: DeathCause[] = [];
  readonly deadlines: number[] = [];
  readonly answers: { readonly name: string; readonly answer: Answer }[] = [];
  readonly actor: ShowActor;
  entry: CommitEntry | undefined;

  constructor({ instantPayments = true, terms = {} }: { instantPayments?: boolean; terms?: Partial<ShowTerms> } = {}) {
    const state = newShow(SHOW, compileHall(LAYOUT), { ...TERMS, ...terms });
    state.seq = 1;
    this.actor = new ShowActor(state, 7, {
      now: () => this.nowMs,
      rules: { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments },
      paymentsAvailable: () => {
        this.paymentsAsked += 1;
        return this.isPaymentUp;
      },
      ready: (participant) => this.ready.add(participant),
      isOwner: (_, epoch) => this.fences.ask(epoch),
      cold: (query) => this.colds.ask(query),
      booked: (query) => this.bookeds.ask(query),
      onCommitted: (update) => {
        this.updates.push(update);
        this.answers.push({ name: `update ${update.version}`, answer: { kind: "done" } });
      },
      onUnfinished: (bookings) => this.unfinished.push([...bookings]),
      onDead: (_, cause) => this.deaths.push(cause),
      onDeadline: (_, at) => this.deadlines.push(at),
    });
  }

  take(name: string, command: ShowCommand): void {
    this.actor.take(command, (answer) => this.answers.push({ name, answer }));
  }

  readSeatMap(name: string): void {
    this.actor.readSeatMap((answer) => this.answers.push({ name, answer }));
  }

  seal(): CommitEntry | undefined {
    if (!this.ready.delete(this.actor)) return undefined;
    this.entry = this.actor.seal();
    return this.entry;
  }

  async settle(outcome: CommitOutcome = "committed"): Promise<void> {
    this.actor.settled(outcome);
    await settled();
  }

  /** Everything that is ready is committed. */
  async commitAll(): Promise<void> {
    while (this.seal() !== undefined) await this.settle();
  }

  async ownAll(): Promise<void> {
    while (this.fences.held.length > 0) await this.fences.held.shift()?.answer(true);
  }

  /** Who was answered what, in order. */
  heard(): string[] {
    return this.answers.map(({ name, answer }) => `${name}: ${answer === AGAIN ? "again" : wordOf(answer)}`);
  }

  /** A committed hold. */
  async held(choice = bySeats(0), session = newSession()): Promise<BookingId> {
    const command = placeHold(choice, session);
    this.take("held", command);
    await this.commitAll();
    this.answers.length = 0;
    this.updates.length = 0;
    return holdIdOf(SHOW, command);
  }
}
