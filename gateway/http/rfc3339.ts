// Times at the HTTP edge.

const DAY_MS = 86_400_000;
const DATE_LENGTH = "2026-01-31T".length;

// A memo, not state: the text of the day asked for last.
let lastDay = Number.NaN;
let lastDate = "";

/**
 * Milliseconds since the epoch as `YYYY-MM-DDTHH:MM:SS.mmmZ`. The time of day by arithmetic: `toISOString` alone was
 * 3 µs of the lock route's 80.
 */
export function rfc3339(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== lastDay) {
    lastDate = new Date(day * DAY_MS).toISOString().slice(0, DATE_LENGTH);
    lastDay = day;
  }
  const inDay = Math.floor(ms - day * DAY_MS);
  const second = Math.floor(inDay / 1000);
  const minute = Math.floor(second / 60);
  const millis = inDay % 1000;
  const zeros = millis < 10 ? "00" : millis < 100 ? "0" : "";
  return `${lastDate}${two(Math.floor(minute / 60))}:${two(minute % 60)}:${two(second % 60)}.${zeros}${millis}Z`;
}

const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);
