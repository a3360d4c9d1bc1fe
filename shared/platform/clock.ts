// The time that turns are decided by: milliseconds since the epoch, monotonic, aligned with Postgres's clock, so that
// a deadline written by one owner means the same to the next.
// C1: `now()` never goes back. A clock that is ahead runs at half speed until it is right again.
// C2: one that is behind catches up at once: waiting longer would let a hold live past its deadline.
// C3: the first alignment sets the time; until then `now()` throws, since nothing may be decided by a wall clock.

import { assert } from "../kernel/assert.ts";

export interface Clock {
  /** Whole milliseconds since the epoch; never less than the time before. */
  now(): number;
}

export interface AlignedClock extends Clock {
  /** The raw monotonic reading that `align` wants. Milliseconds from an arbitrary moment. */
  reading(): number;
  /**
   * Postgres said `pgNowMs` to a question sent at `sentAt` and answered at `receivedAt` (both `reading()`s). Its clock
   * was read somewhere in between, so half the round trip is the error; what lies within it changes nothing.
   */
  align(pgNowMs: number, sentAt: number, receivedAt: number): void;
  /** How far `now()` is ahead of Postgres by the last alignment (negative: behind), and its error. */
  skewMs(): { readonly aheadMs: number; readonly errorMs: number };
}

/** While ahead, this share of real time passes. */
const SLEW_RATE = 0.5;

/** `reading`: a monotonic source, milliseconds; the system's by default. */
export function createAlignedClock(reading: () => number = () => performance.now()): AlignedClock {
  let hasStarted = false;
  /** The line now = baseTime + (reading - baseReading), from which `aheadMs` is still being taken back. */
  let baseReading = 0;
  let baseTime = 0;
  let aheadMs = 0;
  let errorMs = 0;

  /** Moves the base to `at`, having given back what could be. */
  const advance = (at: number): number => {
    const elapsed = Math.max(0, at - baseReading);
    const givenBack = Math.min(aheadMs, elapsed * (1 - SLEW_RATE));
    aheadMs -= givenBack;
    baseTime += elapsed - givenBack;
    baseReading += elapsed;
    return baseTime;
  };

  return {
    reading,
    now() {
      assert(hasStarted, "the clock was read before it was aligned");
      return Math.floor(advance(reading()));
    },
    align(pgNowMs, sentAt, receivedAt) {
      const error = Math.max(0, receivedAt - sentAt) / 2;
      const target = pgNowMs + error;
      if (!hasStarted) {
        hasStarted = true;
        baseReading = receivedAt;
        baseTime = target;
        errorMs = error;
        return;
      }
      const difference = advance(Math.max(receivedAt, baseReading)) - (target + Math.max(0, baseReading - receivedAt));
      errorMs = error;
      if (difference > error) {
        aheadMs = difference;
      } else if (difference < -error) {
        baseTime -= difference;
        aheadMs = 0;
      }
    },
    skewMs: () => ({ aheadMs, errorMs }),
  };
}
