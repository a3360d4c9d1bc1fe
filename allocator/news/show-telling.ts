// What one sink has yet to be told of one show: from which place on, and the commits that are still in memory.
// T1: the commits in memory follow one another without a gap. What comes before them, and what is known to come after
//     them, is read from the log.
// T2: `place` only moves forward, and only over what is safe with the sink.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { TimerHandle } from "../../shared/platform/timers.ts";
import type { CommitEntry, LogTurn } from "../journal/journal.ts";
import type { Place } from "./picks.ts";

/** What a show's commits in memory may weigh: above that they are read from the log when their time comes. */
export const WEIGHT_PER_SHOW_MAX = 12_000;

/** Turns and rows: what an entry holds in memory, near enough. */
const weightOf = ({ turns, bookings, waiters }: CommitEntry): number => turns.length + bookings.length + waiters.length;

export class ShowTelling {
  readonly showId: ShowId;
  /** `undefined` until the cursor is read. */
  place: Place | undefined;
  layoutId: string | undefined;
  /** So far the log is known to go. */
  target = 0;
  pauseMs = 0;
  /** While it pauses. */
  timer: TimerHandle | undefined;
  #weight = 0;
  #entries: CommitEntry[] = [];

  constructor(showId: ShowId, place: Place | undefined) {
    this.showId = showId;
    this.place = place;
  }

  get weight(): number {
    return this.#weight;
  }

  get entries(): readonly CommitEntry[] {
    return this.#entries;
  }

  get isDone(): boolean {
    return this.place !== undefined && this.place.through >= this.target;
  }

  /** The next turns are in memory. */
  get isInMemory(): boolean {
    const first = this.#entries[0];
    return first !== undefined && this.place !== undefined && first.previousSeq <= this.place.through;
  }

  /** What is to be read of the log next. */
  range(): { readonly after: number; readonly upTo: number } {
    return { after: this.place?.through ?? 0, upTo: this.#entries[0]?.previousSeq ?? this.target };
  }

  /** Of the commits in memory, those after the place. */
  *turns(): IterableIterator<LogTurn> {
    const through = this.place?.through ?? 0;
    for (const { turns } of this.#entries) for (const turn of turns) if (turn.seq > through) yield turn;
  }

  hear(entry: CommitEntry): void {
    if (this.place !== undefined && entry.seq <= this.place.through) return;
    // A commit of unknown outcome lies between: the log has it.
    if ((this.#entries.at(-1)?.seq ?? entry.previousSeq) !== entry.previousSeq) this.forgetEntries();
    this.target = Math.max(this.target, entry.seq);
    this.#entries.push(entry);
    this.#weight += weightOf(entry);
    if (this.#weight > WEIGHT_PER_SHOW_MAX) this.forgetEntries();
  }

  /** The log goes so far. */
  extend(seq: number): void {
    this.target = Math.max(this.target, seq);
  }

  moveTo(place: Place): void {
    this.place = place;
    const kept = this.#entries.findIndex((entry) => entry.seq > place.through);
    const gone = this.#entries.splice(0, kept < 0 ? this.#entries.length : kept);
    for (const entry of gone) this.#weight -= weightOf(entry);
  }

  forgetEntries(): void {
    this.#entries = [];
    this.#weight = 0;
  }
}
