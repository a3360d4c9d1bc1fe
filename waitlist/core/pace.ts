// How fast a show lets go of seats: a sum of freed seats in which each counts less the longer ago it was freed.
// At an even rate the sum tends to rate × MEMORY_MS; before that many milliseconds have passed it is divided by the
// part of the memory that can have been filled yet (exponential smoothing, corrected for its start as in Adam).

/** What happened so long ago counts for 1/e. */
const MEMORY_MS = 600_000;
/** The first few seats say little: the rate is never taken over less time than this. */
const WINDOW_MIN_MS = 60_000;
/** After so long a silence there is no rate any more: what is left of the sum is 1/400. */
const SILENCE_MAX_MS = 6 * MEMORY_MS;

export class Pace {
  #sum = 0;
  #at = Number.NEGATIVE_INFINITY;
  #since = Number.NEGATIVE_INFINITY;

  note(seatCount: number, at: number): void {
    if (at - this.#at > SILENCE_MAX_MS) {
      this.#sum = 0;
      this.#since = at;
    }
    this.#sum = this.#sumAt(at) + seatCount;
    this.#at = Math.max(this.#at, at);
  }

  /** Milliseconds until so many seats are freed at the present rate; `undefined` while there is none. */
  timeFor(seatCount: number, at: number): number | undefined {
    const sum = at - this.#at > SILENCE_MAX_MS ? 0 : this.#sumAt(at);
    if (sum <= 0) return undefined;
    const age = Math.max(at - this.#since, WINDOW_MIN_MS);
    const window = MEMORY_MS * (1 - Math.exp(-age / MEMORY_MS));
    return Math.ceil((seatCount * window) / sum);
  }

  #sumAt(at: number): number {
    return at > this.#at && this.#sum > 0 ? this.#sum * Math.exp((this.#at - at) / MEMORY_MS) : this.#sum;
  }
}
