// The show as an iCalendar file (RFC 5545): added to a calendar by a confirmation, taken out of it by a cancellation.
// C1: the same booking is always the same entry: its UID is the booking's id.

import type { BookingId } from "../../shared/kernel/ids.ts";
import type { ShowFacts } from "./booking-facts.ts";

export type CalendarMethod = "PUBLISH" | "CANCEL";

export interface CalendarEntry {
  readonly bookingId: BookingId;
  readonly show: ShowFacts;
  readonly seats: readonly string[];
  readonly isCancelled: boolean;
  /** When the news was made. */
  readonly at: number;
}

export const methodOf = ({ isCancelled }: Pick<CalendarEntry, "isCancelled">): CalendarMethod =>
  isCancelled ? "CANCEL" : "PUBLISH";

export function calendarFile(entry: CalendarEntry): string {
  const { bookingId, show, seats, isCancelled, at } = entry;
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Usher//Usher//EN",
    `METHOD:${methodOf(entry)}`,
    "BEGIN:VEVENT",
    `UID:${bookingId}@usher`,
    `DTSTAMP:${utc(at)}`,
    `SEQUENCE:${isCancelled ? 1 : 0}`,
    `STATUS:${isCancelled ? "CANCELLED" : "CONFIRMED"}`,
    `DTSTART:${utc(show.startsAt)}`,
    `DTEND:${utc(show.endsAt)}`,
    `SUMMARY:${escaped(show.title)}`,
    `LOCATION:${escaped(`${show.cinema}, ${show.hall}, ${show.address}`)}`,
    `DESCRIPTION:${escaped(`Seats ${seats.join(", ")}`)}`,
    "END:VEVENT",
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join("");
}

/** `20251121T203000Z` */
const utc = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;

/** Names are single lines already. */
const escaped = (text: string): string => text.replace(/[\\;,]/g, (character) => `\\${character}`);

const LINE_BYTES_MAX = 75;

/** Lines of at most 75 bytes, cut between characters; what follows begins with a space. */
function folded(line: string): string {
  let text = "";
  let bytes = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (bytes + size > LINE_BYTES_MAX) {
      text += "\r\n ";
      bytes = 1;
    }
    text += character;
    bytes += size;
  }
  return text;
}
