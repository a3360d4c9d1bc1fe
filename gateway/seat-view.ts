// One show's seat map as this gateway knows it, and the bytes it is served as.
// V1: (epoch, version) says exactly which committed state this is, and with what is queued which bytes; they are rendered
//     at most once for each.
// V2: an update is absolute: it fits any version from the one it follows on. Anything else is old (ignored) or a gap.

import { assert } from "../shared/kernel/assert.ts";
import { SEAT_FREE, type SeatMapSnapshot, type ShowUpdate } from "../shared/protocol/reply.ts";

const DIGIT_ZERO = 48;
const STATES = 4;

/** What the last update did to the view. */
export type Applied = "changed" | "old" | "gap";

export class SeatView {
  readonly showId: string;
  readonly layoutId: string;
  #epoch: number;
  #version: number;
  #queued: number;
  /** ASCII digits, as they are served. */
  readonly #status: Buffer;
  readonly #counts = new Array<number>(STATES).fill(0);
  #bytes: Buffer | undefined;
  #staleBytes: Buffer | undefined;

  constructor(layoutId: string, snapshot: SeatMapSnapshot) {
    this.showId = snapshot.showId;
    this.layoutId = layoutId;
    this.#epoch = snapshot.epoch;
    this.#version = snapshot.version;
    this.#queued = snapshot.queued;
    this.#status = Buffer.from(snapshot.status, "latin1");
    for (const digit of this.#status) this.#count(digit - DIGIT_ZERO, 1);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get version(): number {
    return this.#version;
  }

  /** One ASCII digit a seat, as it is served. Read it at once: the next update changes it in place. */
  get digits(): Readonly<Uint8Array> {
    return this.#status;
  }

  /** The strong validator of `bytes(isStale)`, quotes included. */
  etag(isStale: boolean): string {
    // What is queued changes without a version: people in line come and go quietly (V1).
    const queued = this.#queued === 0 ? "" : `.${this.#queued}`;
    return `"${this.#epoch}.${this.#version}${queued}${isStale ? "-stale" : ""}"`;
  }

  apply(update: ShowUpdate): Applied {
    if (update.epoch < this.#epoch) return "old";
    if (update.epoch === this.#epoch && update.version === this.#version) this.#setQueued(update.queued);
    if (update.epoch === this.#epoch && update.version <= this.#version) return "old";
    if (update.epoch !== this.#epoch || update.previous > this.#version) return "gap";
    for (const [seat, state] of update.changes) {
      const before = this.#status[seat];
      assert(before !== undefined, `update of seat ${seat} of ${this.#status.length} of show ${this.showId}`);
      this.#count(before - DIGIT_ZERO, -1);
      this.#count(state, 1);
      this.#status[seat] = DIGIT_ZERO + state;
    }
    this.#version = update.version;
    this.#queued = update.queued;
    this.#forgetBytes();
    return "changed";
  }

  #setQueued(queued: number): void {
    if (queued === this.#queued) return;
    this.#queued = queued;
    this.#forgetBytes();
  }

  #forgetBytes(): void {
    this.#bytes = undefined;
    this.#staleBytes = undefined;
  }

  /** The JSON of `GET …/seatmap`. Never changed once it was handed out. */
  bytes(isStale: boolean): Uint8Array {
    if (isStale) {
      this.#staleBytes ??= this.#render(',"stale":true}');
      return this.#staleBytes;
    }
    this.#bytes ??= this.#render("}");
    return this.#bytes;
  }

  #count(state: number, by: number): void {
    const before = this.#counts[state];
    assert(before !== undefined, `seat state ${state} in show ${this.showId}`);
    this.#counts[state] = before + by;
  }

  #render(end: string): Buffer {
    const [free = SEAT_FREE, held, sold, blocked] = this.#counts;
    const counts = { free, queued: this.#queued, held, sold, blocked };
    const { showId, layoutId } = this;
    const head = { show_id: showId, layout_id: layoutId, epoch: this.#epoch, version: this.#version, counts };
    return Buffer.from(`${JSON.stringify(head).slice(0, -1)},"status":"${this.#status.toString("latin1")}"${end}`);
  }
}
