// Whether the store is there, and for how long it was not.
// W1: turns are taken only while the store answered within the last OUTAGE_MIN_MS: what nobody could do for lack of
//     service does not expire, so nothing may be settled in a time that may turn out to be an outage.
// W2: an outage that was recorded, whoever's beat recorded it, is told by `onOutage` before the store counts as open
//     again: every actor is dropped there, and loads anew with its deadlines moved. The beat that recorded it may be
//     one whose answer never came (seen: a server frozen for longer than the beat's timeout runs it when it thaws).

import type { AlignedClock } from "../../shared/platform/clock.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { type Journal, OUTAGE_MIN_MS } from "./journal.ts";

const BEAT_EVERY_MS = 200;
/** Slower answers do not set the clock: half the way there and back may be an error of it. */
const ALIGN_ROUND_TRIP_MAX_MS = 500;

export interface StoreWatchOptions {
  readonly journal: Pick<Journal, "beat">;
  readonly clock: AlignedClock;
  readonly timers: Timers;
  readonly log: Log;
  readonly onOutage: (outageId: number) => void;
}

export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #lastOutageId: number | undefined;
  #wasOpen = false;
  #isStopped = false;
  #timer: TimerHandle | undefined;
  #beating: Promise<void> = Promise.resolve();

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** The first beat; rejects when the store does not answer it. */
  async start(): Promise<void> {
    await this.#beat();
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#timer);
    await this.#beating;
  }

  /** Whether a turn may be taken now (W1). */
  isOpen(): boolean {
    return this.#options.clock.reading() - this.#answeredAt <= OUTAGE_MIN_MS;
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.timers.setTimeout(() => {
      this.#beating = this.#beatOrSay().then(() => this.#plan());
    }, BEAT_EVERY_MS);
  }

  async #beatOrSay(): Promise<void> {
    try {
      await this.#beat();
      if (!this.#wasOpen) this.#options.log.info("the store answers again");
      this.#wasOpen = true;
    } catch (error) {
      if (this.#wasOpen) this.#options.log.error({ reason: String(error) }, "the store does not answer");
      this.#wasOpen = false;
    }
  }

  async #beat(): Promise<void> {
    let sentAt = await this.#ask();
    // It may have waited for a beat that recorded an outage, and have looked at the outages before: look again.
    if (!this.isOpen()) sentAt = await this.#ask();
    // From when it was sent: a slow answer must not hide how long ago the store said so.
    this.#answeredAt = sentAt;
    this.#wasOpen = true;
  }

  /** When it was sent. */
  async #ask(): Promise<number> {
    const { clock, journal, onOutage } = this.#options;
    const sentAt = clock.reading();
    const { nowMs, outageId } = await journal.beat();
    const receivedAt = clock.reading();
    const isFirst = this.#lastOutageId === undefined;
    if (isFirst || receivedAt - sentAt <= ALIGN_ROUND_TRIP_MAX_MS) clock.align(nowMs, sentAt, receivedAt);
    // Nothing is loaded before the first beat.
    const isNew = !isFirst && outageId > (this.#lastOutageId ?? 0);
    this.#lastOutageId = outageId;
    if (isNew) onOutage(outageId);
    return sentAt;
  }
}
