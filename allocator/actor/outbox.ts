// What a show has decided and not yet committed: the batch that still grows, and those that are closed behind it.
// B1: one batch at a time is under way; they leave in the order of their turns.
// B2: a batch is closed when it leaves, or before that when it has WAITERS_PER_BATCH_MAX: a line of 100,000 that is sent
//     home by turns of 500 must not become one statement that the store gives up on. (100,000 rows take it 2 s.)
// B3: a closed batch has its images: what happens afterwards is not in it.

import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import { type Booking, isUnfinished, type ShowState } from "../core/state.ts";
import type { Turn } from "../core/turn.ts";
import type { CommitEntry } from "../journal/journal.ts";
import { Batch } from "./batch.ts";

export const WAITERS_PER_BATCH_MAX = 10_000;

export interface Closed {
  readonly batch: Batch;
  readonly entry: CommitEntry;
  /** What the seat views hear once it is committed. */
  readonly update: ShowUpdate;
  /** Bookings whose payment somebody has to drive on. */
  readonly unfinished: readonly Booking[];
}

export class Outbox {
  readonly #state: ShowState;
  readonly #epoch: number;
  #open: Batch | undefined;
  /** Oldest first; the first is under way when `#isUnderWay`. */
  readonly #closed: Closed[] = [];
  #isUnderWay = false;

  constructor(state: ShowState, epoch: number) {
    this.#state = state;
    this.#epoch = epoch;
  }

  get isEmpty(): boolean {
    return this.#open === undefined && this.#closed.length === 0;
  }

  /** Nothing is under way, and there is something that could be. */
  get isReady(): boolean {
    return !this.#isUnderWay && !this.isEmpty;
  }

  /** The batch whose commit is under way. */
  get underWay(): Batch | undefined {
    return this.#isUnderWay ? this.#closed[0]?.batch : undefined;
  }

  /** The last batch whose commit has yet to begin: it proves whatever was decided up to now. */
  get last(): Batch | undefined {
    if (this.#open !== undefined) return this.#open;
    return this.#closed.length > (this.#isUnderWay ? 1 : 0) ? this.#closed.at(-1)?.batch : undefined;
  }

  batches(): (Batch | undefined)[] {
    return this.#closed.length === 0 ? [this.#open] : [this.#open, ...this.#closed.map(({ batch }) => batch)];
  }

  add(turn: Turn, seatsBefore: Uint8Array | undefined): void {
    this.#open ??= new Batch();
    this.#open.add(turn, this.#state, seatsBefore);
    if (this.#open.waiters.size >= WAITERS_PER_BATCH_MAX) this.#close(this.#open);
  }

  /** The next entry to commit; it is under way from now on. */
  seal(): CommitEntry | undefined {
    if (this.#closed.length === 0 && this.#open !== undefined) this.#close(this.#open);
    const next = this.#closed[0];
    if (next !== undefined) this.#isUnderWay = true;
    return next?.entry;
  }

  /** What was under way is no longer. */
  settled(): Closed | undefined {
    if (!this.#isUnderWay) return undefined;
    this.#isUnderWay = false;
    return this.#closed.shift();
  }

  /** Gives up everything whose commit has not begun. */
  drop(): Batch[] {
    const dropped = this.#closed.splice(this.#isUnderWay ? 1 : 0).map(({ batch }) => batch);
    if (this.#open !== undefined) dropped.push(this.#open);
    this.#open = undefined;
    return dropped;
  }

  #close(batch: Batch): void {
    this.#open = undefined;
    const entry = batch.toEntry(this.#state, this.#epoch);
    const update = batch.toUpdate(this.#state, this.#epoch);
    const unfinished = entry.bookings.filter((booking) => isUnfinished(booking.payment));
    this.#closed.push({ batch, entry, update, unfinished });
  }
}
