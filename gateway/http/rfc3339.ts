// Milliseconds since the epoch to RFC 3339 UTC, by arithmetic: no `Date`, and the day's text is worked out once.
// On a hot path this matters little alone (about 0.1 µs against 0.4 µs), but every lock answer says two times.

import { assert } from "../../shared/kernel/assert.ts";

const DAY_MS = 86_400_000;
/** 9999-12-31T23:59:59.999Z: the last moment with a four-digit year. */
const TIME_MAX_MS = 253_402_300_799_999;

let lastDay = Number.NaN;
let lastDayText = "";

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`; `ms` is rounded down to a whole millisecond. */
export function rfc3339(ms: number): string {
  assert(ms >= 0 && ms <= TIME_MAX_MS, `time out of range: ${ms}`);
  const day = Math.floor(ms / DAY_MS);
  if (day !== lastDay) {
    lastDay = day;
    lastDayText = dateText(day);
  }
  const inDay = Math.floor(ms - day * DAY_MS);
  const seconds = Math.floor(inDay / 1000);
  const hour = two(Math.floor(seconds / 3600));
  const minute = two(Math.floor(seconds / 60) % 60);
  return `${lastDayText}T${hour}:${minute}:${two(seconds % 60)}.${String(inDay % 1000).padStart(3, "0")}Z`;
}

const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);

/** Days since 1970-01-01 to a civil date: Howard Hinnant, "chrono-compatible low-level date algorithms". */
function dateText(day: number): string {
  const z = day + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(dayOfMonth)}`;
}
