// Amounts, times and names as a mail writes them.
// W1: a name is one line, whatever it holds: it cannot begin a header, a paragraph or a text that runs backwards.

const NAME_LENGTH_MAX = 240;
/** Everything that ends a line or is no character, and what turns the direction of what follows. */
const NOT_IN_A_NAME = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

export function oneLine(text: string): string {
  const line = text.replace(NOT_IN_A_NAME, " ").trim();
  // By characters, not by halves of them.
  return line.length <= NAME_LENGTH_MAX ? line : `${[...line].slice(0, NAME_LENGTH_MAX - 1).join("")}…`;
}

/** `USD 24.00`, `JPY 2400`, `KWD 2.400`: as many decimals as ISO 4217 says. `currency`: three capital letters. */
export function moneyText(minorUnits: number, currency: string): string {
  const { maximumFractionDigits: decimals = 2 } = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
  }).resolvedOptions();
  if (decimals === 0) return `${currency} ${minorUnits}`;
  const digits = String(minorUnits).padStart(decimals + 1, "0");
  return `${currency} ${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** `Friday, 21 November 2025, 20:30 (Eastern Standard Time, America/New_York)`; UTC where the zone is not known here. */
export function timeText(atMs: number, timeZone: string): string {
  const zone = knownZone(timeZone);
  const part: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
  const format = new Intl.DateTimeFormat("en", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "long",
  });
  for (const { type, value } of format.formatToParts(atMs)) part[type] = value;
  const { weekday, day, month, year, hour, minute, timeZoneName } = part;
  return `${weekday}, ${day} ${month} ${year}, ${hour}:${minute} (${timeZoneName}, ${zone})`;
}

function knownZone(name: string): string {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    return "UTC"; // Intl has no other way of saying that it knows no such zone.
  }
}
