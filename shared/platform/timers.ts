// Timers by injection: everything that waits takes one of these, so that tests and the simulator own time.

/** What `setTimeout` answered; opaque. */
export type TimerHandle = object;

export interface Timers {
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  clearTimeout(handle: TimerHandle | undefined): void;
  /** After the I/O callbacks of this tick: what a micro-batch waits for. */
  setImmediate(callback: () => void): TimerHandle;
  clearImmediate(handle: TimerHandle | undefined): void;
}

export const systemTimers: Timers = {
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
  setImmediate: (callback) => setImmediate(callback),
  clearImmediate: (handle) => clearImmediate(handle as NodeJS.Immediate | undefined),
};

export function sleepMs(delayMs: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.setTimeout(resolve, delayMs);
  });
}

/** `promise`, or `onLate()` when it takes longer; the promise itself goes on. */
export async function within<T, L>(
  promise: Promise<T>,
  boundMs: number,
  onLate: () => L,
  timers: Timers,
): Promise<T | L> {
  let handle: TimerHandle | undefined;
  const late = new Promise<L>((resolve) => {
    handle = timers.setTimeout(() => resolve(onLate()), boundMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timers.clearTimeout(handle);
  }
}
