// What is written to whoever booked: that it is booked, with the tickets; or that it is cancelled, and what becomes of
// the money.
// L1: everything that comes from outside is escaped where it enters the HTML; names were made single lines when read.
// L2: tickets are in a letter only while they let somebody in: a cancellation has none.

import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { qrPng } from "../../shared/tickets/qr-code.ts";
import type { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import type { BookingFacts, ShowFacts } from "./booking-facts.ts";
import { calendarFile, methodOf } from "./calendar.ts";
import { html, type Markup } from "./markup.ts";
import { moneyText, oneLine, timeText } from "./plain-words.ts";

export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  readonly content: Buffer;
  /** Present: shown in the HTML, which names it so. */
  readonly cid?: string;
}

export interface Letter {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly attachments: readonly Attachment[];
}

export interface Occasion {
  readonly booking: BookingFacts;
  readonly show: ShowFacts;
  /** When the news was made. */
  readonly at: number;
}

export interface Ticket {
  readonly seat: string;
  readonly token: string;
  readonly png: Buffer;
}

const seatsOf = ({ booking, show }: Occasion): string[] =>
  booking.seats.map((index) => oneLine(show.labels[index] ?? String(index)));

/** Each QR code takes some 3 ms of the thread: others have their turn in between. */
export async function ticketsFor(
  occasion: Occasion,
  tokens: Pick<TicketTokens, "of">,
  timers: Timers,
): Promise<Ticket[]> {
  const { booking, show } = occasion;
  const tickets: Ticket[] = [];
  for (const index of booking.seats) {
    const seat = show.labels[index];
    // The token names the label as the gate knows it, whatever it looks like in a mail.
    if (seat === undefined) throw new Error(`seat ${index} is not in the layout of show ${show.showId}`);
    const token = tokens.of(booking.id, show.showId, seat);
    tickets.push({ seat: oneLine(seat), token, png: Buffer.from(qrPng(token)) });
    await new Promise<void>((resolve): TimerHandle => timers.setImmediate(resolve));
  }
  return tickets;
}

export function confirmationLetter(occasion: Occasion, tickets: readonly Ticket[]): Letter {
  const { show } = occasion;
  const lead = "Your booking is confirmed.";
  const advice =
    "Show the code of a ticket at the entrance, on paper or on a screen. Each lets one person in, once: keep them to yourself.";
  const cids = tickets.map((_, i) => `ticket-${i + 1}@usher`);
  const body = html`<p>${advice}</p>${tickets.map(
    ({ seat, token }, i) => html`
<h2 style="font-size:1.1em;margin:1.5em 0 .3em">Seat ${seat}</h2>
<img src="cid:${cids[i] ?? ""}" alt="QR code of the ticket for seat ${seat}" width="240" height="240">
<p style="font-family:monospace;font-size:.7em;word-break:break-all;max-width:40em">${token}</p>`,
  )}`;
  return {
    subject: `Your tickets: ${show.title}`,
    text: [
      ...textOf(occasion, [lead]),
      advice,
      "",
      ...tickets.flatMap(({ seat, token }) => [`Ticket for seat ${seat}`, token, ""]),
    ].join("\n"),
    html: pageOf(occasion, [lead], body),
    attachments: [
      ...tickets.map(({ seat, png }, i) => ({
        filename: `ticket-${fileWord(seat)}.png`,
        contentType: "image/png",
        content: png,
        cid: cids[i] ?? "",
      })),
      calendarOf(occasion, false),
    ],
  };
}

export function cancellationLetter(occasion: Occasion): Letter {
  const { show } = occasion;
  const lead = [causeOf(occasion), moneyBackOf(occasion), "Tickets of this booking are no longer valid."];
  const lines = lead.filter((line) => line !== "");
  return {
    subject: show.isCancelled ? `Show cancelled: ${show.title}` : `Your booking is cancelled: ${show.title}`,
    text: textOf(occasion, lines).join("\n"),
    html: pageOf(occasion, lines, html``),
    attachments: [calendarOf(occasion, true)],
  };
}

function causeOf({ booking: { reason } }: Occasion): string {
  if (reason === "show_cancelled") {
    return "We are sorry: the whole show has been cancelled by the cinema, and your booking with it.";
  }
  if (reason === "cancelled_by_holder") return "Your booking has been cancelled, as you asked.";
  if (reason === "capture_failed")
    return "We are sorry: your payment could not be completed, so your booking is cancelled.";
  return "Your booking has been cancelled.";
}

function moneyBackOf({ booking: { payment, reason, total, currency } }: Occasion): string {
  if (total === 0) return "";
  const amount = moneyText(total, currency);
  // Its refund, too, ends in nothing having been taken.
  switch (reason === "capture_failed" ? "voided" : payment) {
    case "refunding":
      return `The whole amount, ${amount}, is being given back by the way you paid. It may take a few days to arrive.`;
    case "refunded":
      return `The whole amount, ${amount}, has been given back by the way you paid. It may take a few days to arrive.`;
    case "none":
      return `Nothing was charged online. If you have paid ${amount} at the cinema, it gives them back.`;
    default:
      return `You are not charged: what was reserved, ${amount}, is being released.`;
  }
}

function factsOf(occasion: Occasion): readonly (readonly [string, string])[] {
  const { booking, show } = occasion;
  return [
    ["When", timeText(show.startsAt, show.timeZone)],
    ["Where", `${show.cinema}, ${show.hall}`],
    ["Address", show.address],
    ["Seats", seatsOf(occasion).join(", ")],
    ["Total", moneyText(booking.total, booking.currency)],
    ["Booking", booking.id],
  ];
}

function textOf(occasion: Occasion, lead: readonly string[]): string[] {
  const facts = factsOf(occasion).map(([name, value]) => `${`${name}:`.padEnd(9)}${value}`);
  return [...lead, "", occasion.show.title, "", ...facts, ""];
}

function pageOf(occasion: Occasion, lead: readonly string[], body: Markup): string {
  const rows = factsOf(occasion).map(
    ([name, value]) => html`<tr><td style="padding:.1em 1em .1em 0;color:#555">${name}</td><td>${value}</td></tr>
`,
  );
  return html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${occasion.show.title}</title></head>
<body style="font-family:sans-serif;line-height:1.4">
${lead.map(
  (line) => html`<p>${line}</p>
`,
)}<h1 style="font-size:1.4em">${occasion.show.title}</h1>
<table style="border-collapse:collapse">
${rows}</table>
${body}
</body></html>
`.text;
}

function calendarOf(occasion: Occasion, isCancelled: boolean): Attachment {
  const { booking, show, at } = occasion;
  const content = calendarFile({ bookingId: booking.id, show, seats: seatsOf(occasion), isCancelled, at });
  return {
    filename: isCancelled ? "cancelled.ics" : "show.ics",
    contentType: `text/calendar; charset=utf-8; method=${methodOf({ isCancelled })}`,
    content: Buffer.from(content),
  };
}

const fileWord = (label: string): string => label.replace(/[^\p{L}\p{N}-]+/gu, "_").slice(0, 40);
