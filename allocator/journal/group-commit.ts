// Group commit: gathers what many shows have to write into few statements.
// G1: a show has at most one entry under way; what its turns add meanwhile goes with the next.
// G2: a participant is asked for its entry only when a lane is free for it, so that it brings all it has by then.
// G4: a statement ends when it has ROWS_PER_STATEMENT_MAX, or with the entry that goes past it: what 256 shows send home
//     at one cutoff must not be more than the store does in its time.
// G3: a second lane helps only when there is enough to write: below `secondLaneFrom` waiting shows the lane that is
//     busy will take them with its next statement, and larger statements cost less.

import type { Timers } from "../../shared/platform/timers.ts";
import type { CommitEntry, CommitOutcome, Journal } from "./journal.ts";

/** Bookings and waiters; 10,000 take the store some 0.3 s of the 3 s it has. */
const ROWS_PER_STATEMENT_MAX = 10_000;

export interface Participant {
  /** What there is to write now; `undefined` when there is nothing any more. */
  seal(): CommitEntry | undefined;
  settled(outcome: CommitOutcome): void;
}

export interface GroupCommitOptions {
  readonly journal: Pick<Journal, "commit">;
  readonly timers: Timers;
  readonly lanesMax: number;
  readonly entriesPerStatementMax: number;
  readonly secondLaneFrom: number;
  readonly onStatement?: (entries: number, turns: number) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #waiting = new Set<Participant>();
  #lanesBusy = 0;
  #isPumpPlanned = false;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** The participant has something to write. Idempotent until it is sealed. */
  ready(participant: Participant): void {
    this.#waiting.add(participant);
    this.#planPump();
  }

  /** Resolves when nothing is under way or waiting. */
  async drained(): Promise<void> {
    if (this.#lanesBusy === 0 && this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** At the end of the tick, so that everything this tick brings goes into one statement. */
  #planPump(): void {
    if (this.#isPumpPlanned || !this.#mayStart()) return;
    this.#isPumpPlanned = true;
    this.#options.timers.setImmediate(() => {
      this.#isPumpPlanned = false;
      while (this.#mayStart()) this.#start();
    });
  }

  #mayStart(): boolean {
    const { lanesMax, secondLaneFrom } = this.#options;
    if (this.#waiting.size === 0 || this.#lanesBusy >= lanesMax) return false;
    return this.#lanesBusy === 0 || this.#waiting.size >= secondLaneFrom;
  }

  #start(): void {
    const participants: Participant[] = [];
    const entries: CommitEntry[] = [];
    let rows = 0;
    for (const participant of this.#waiting) {
      if (entries.length === this.#options.entriesPerStatementMax || rows >= ROWS_PER_STATEMENT_MAX) break;
      this.#waiting.delete(participant);
      const entry = participant.seal();
      if (entry === undefined) continue;
      participants.push(participant);
      entries.push(entry);
      rows += entry.bookings.length + entry.waiters.length + entry.waitersMoved;
    }
    if (entries.length === 0) return this.#notifyIdle();
    this.#lanesBusy += 1;
    this.#options.onStatement?.(
      entries.length,
      entries.reduce((sum, entry) => sum + entry.turns.length, 0),
    );
    void this.#run(participants, entries);
  }

  async #run(participants: readonly Participant[], entries: readonly CommitEntry[]): Promise<void> {
    // `commit` never rejects (J3).
    const outcomes = await this.#options.journal.commit(entries);
    this.#lanesBusy -= 1;
    for (const [i, participant] of participants.entries()) participant.settled(outcomes[i] ?? "unknown");
    this.#planPump();
    this.#notifyIdle();
  }

  #notifyIdle(): void {
    if (this.#lanesBusy > 0 || this.#waiting.size > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
