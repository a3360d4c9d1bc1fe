// The calendar's time, for stamps that people read. Nothing about seats is decided by it: turns take a Clock.

/** Milliseconds since 1970. It may jump, and go back. */
export const wallClockMs = (): number => Date.now();
