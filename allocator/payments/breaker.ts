// Whether the provider can be reached, judged by the first authorisations of payments and by nothing else.
// B1: a payment (its key) is one vote, however often it is asked about: one that is stuck never switches off the others.
// B2: it opens when at least FAILURES_MIN payments failed within WINDOW_MS, and they are more than half of those heard of.
// B3: after `resetMs` one call is let through to see. Only its end decides; what began before is not counted any more.
// B4: between the promise that a payment may begin and its call lies a commit. While open, one probe is promised at a
//     time: all others who came meanwhile would be recorded as paying and then not be sent.

export const BREAKER_FAILURES_MIN = 5;
export const BREAKER_WINDOW_MS = 10_000;
/** A promise that nobody came back for is void after so long. */
export const PROMISE_MS = 1_000;
/** Votes remembered; the oldest goes first. */
const VOTES_MAX = 4_096;

export interface BreakerOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly resetMs: number;
  readonly onChange: (state: "open" | "closed") => void;
}

/** The permission to make one call. */
export interface Admission {
  readonly period: number;
}

interface Vote {
  readonly at: number;
  readonly isFailure: boolean;
}

export class PaymentBreaker {
  readonly #options: BreakerOptions;
  /** By payment, in the order of their time. */
  readonly #votes = new Map<string, Vote>();
  #failures = 0;
  #openedAt: number | undefined;
  #isProbing = false;
  #promisedAt = Number.NEGATIVE_INFINITY;
  /** Counts openings, closings and probes: an admission of an earlier one has no say. */
  #period = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  admits(): boolean {
    return this.#openedAt === undefined || (!this.#isProbing && this.#untilProbeMs(this.#openedAt) <= 0);
  }

  /** B4. */
  promise(): boolean {
    if (!this.admits()) return false;
    if (this.#openedAt === undefined) return true;
    const now = this.#options.now();
    if (now - this.#promisedAt < PROMISE_MS) return false;
    this.#promisedAt = now;
    return true;
  }

  /** `undefined`: not now. Whoever is admitted says how it `ended`. */
  admit(): Admission | undefined {
    if (!this.admits()) return undefined;
    if (this.#openedAt !== undefined) {
      this.#isProbing = true;
      this.#period += 1;
    }
    return { period: this.#period };
  }

  ended({ period }: Admission, payment: string, isFailure: boolean): void {
    if (period !== this.#period) return;
    if (this.#isProbing) return isFailure ? this.#open() : this.#close();
    this.#vote(payment, isFailure);
    if (this.#failures >= BREAKER_FAILURES_MIN && this.#failures * 2 > this.#votes.size) this.#open();
  }

  /** 0 when it admits; else at least 1. */
  retryAfterMs(): number {
    if (this.#openedAt === undefined || this.admits()) return 0;
    return Math.max(1, Math.ceil(this.#untilProbeMs(this.#openedAt)));
  }

  #untilProbeMs(openedAt: number): number {
    return openedAt + this.#options.resetMs - this.#options.now();
  }

  #vote(payment: string, isFailure: boolean): void {
    const at = this.#options.now();
    this.#forget(payment);
    this.#votes.set(payment, { at, isFailure });
    if (isFailure) this.#failures += 1;
    for (const [oldest, vote] of this.#votes) {
      if (vote.at > at - BREAKER_WINDOW_MS && this.#votes.size <= VOTES_MAX) break;
      this.#forget(oldest);
    }
  }

  #forget(payment: string): void {
    if (this.#votes.get(payment)?.isFailure === true) this.#failures -= 1;
    this.#votes.delete(payment);
  }

  #open(): void {
    this.#openedAt = this.#options.now();
    this.#begin("open");
  }

  #close(): void {
    this.#openedAt = undefined;
    this.#begin("closed");
  }

  #begin(state: "open" | "closed"): void {
    this.#isProbing = false;
    this.#period += 1;
    this.#votes.clear();
    this.#failures = 0;
    this.#options.onChange(state);
  }
}
