// The catalogue's arithmetic of times: RFC 3339 text to milliseconds and back, and the calendar days of a time zone.
// Reads no clock: whoever needs `now` passes it in, or asks Postgres.

export const minuteMs = 60_000;
export const dayMs = 86_400_000;

/** `text` is an RFC 3339 time that has been checked; what is finer than a millisecond is cut off. */
export const instantMs = (text: string): number => Date.parse(text);

export const instantText = (ms: number): string => new Date(ms).toISOString();

/** `2026-01-31` of the UTC day that `ms` is in. */
export const utcDate = (ms: number): string => instantText(ms).slice(0, 10);

const formats = new Map<string, Intl.DateTimeFormat | undefined>();
const FORMATS_MAX = 1_000;

/** One formatter a zone: building one takes 30 µs and some 10 KiB. There are about 600 zones and aliases. */
function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  if (formats.has(timeZone)) return formats.get(timeZone);
  const format = newFormat(timeZone);
  if (format !== undefined && formats.size < FORMATS_MAX) formats.set(timeZone, format);
  return format;
}

function newFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(timeZone)) return undefined;
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "iso8601",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined; // Intl has no other way of saying that it knows no such zone.
  }
}

export const isTimeZone = (name: string): boolean => formatOf(name) !== undefined;

/** How far the zone's wall clock is ahead of UTC at `ms`, in milliseconds. */
function offsetMs(ms: number, timeZone: string): number {
  const format = formatOf(timeZone);
  if (format === undefined) throw new RangeError(`unknown time zone ${timeZone}`);
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(ms)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1_000) * 1_000;
}

/**
 * The moment at which the zone's clocks show `minutes` after midnight of `date` (`2026-01-31`). A time that the clocks
 * skip becomes as much later as they skip; one that they show twice is the first.
 */
export function localInstantMs(date: string, minutes: number, timeZone: string): number {
  const wall = Date.parse(`${date}T00:00:00Z`) + minutes * minuteMs;
  const before = offsetMs(wall - dayMs, timeZone);
  const first = wall - before;
  if (offsetMs(first, timeZone) === before) return first;
  const second = wall - offsetMs(wall + dayMs, timeZone);
  return offsetMs(second, timeZone) === wall - second ? second : first;
}

/** The half-open range of moments that are the calendar day `date` in the zone: 23 to 25 hours. */
export function localDayMs(date: string, timeZone: string): { readonly from: number; readonly to: number } {
  const next = utcDate(Date.parse(`${date}T00:00:00Z`) + dayMs);
  return { from: localInstantMs(date, 0, timeZone), to: localInstantMs(next, 0, timeZone) };
}
