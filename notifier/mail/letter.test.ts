// What is written: everything a guest needs, nothing that breaks out of it, and no tickets in a cancellation.

import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import type { BookingFacts, ShowFacts } from "./booking-facts.ts";
import { calendarFile } from "./calendar.ts";
import { cancellationLetter, confirmationLetter, ticketsFor } from "./letter.ts";
import { html } from "./markup.ts";

const SHOW = "show-1" as ShowId;
const show: ShowFacts = {
  showId: SHOW,
  title: `<b>"Tom & Jerry's"</b>`,
  cinema: "Roxy",
  hall: "Hall 3",
  address: "1 Main Street, 10001 New York",
  timeZone: "America/New_York",
  startsAt: Date.parse("2025-11-22T01:30:00Z"),
  endsAt: Date.parse("2025-11-22T03:30:00Z"),
  isCancelled: false,
  labels: ["A1", "A<2>", "A3"],
};
const booking: BookingFacts = {
  id: `${SHOW}.${"b".repeat(22)}` as BookingId,
  status: "booked",
  seats: [0, 1],
  total: 2_400,
  currency: "USD",
  reason: undefined,
  payment: "captured",
  email: "ann@example.org",
};
const at = Date.parse("2025-11-20T12:00:00Z");
const tokens = new TicketTokens(generateKeyPairSync("ed25519").privateKey);

t.test("a confirmation has what, when, where, how much, and a ticket a seat", async (t) => {
  const occasion = { booking, show, at };
  const letter = confirmationLetter(occasion, await ticketsFor(occasion, tokens, systemTimers));
  t.equal(letter.subject, `Your tickets: ${show.title}`);
  for (const words of [
    show.title,
    "Friday, 21 November 2025, 20:30 (Eastern Standard Time, America/New_York)",
    "Roxy, Hall 3",
    show.address,
    "USD 24.00",
    "A1, A<2>",
    booking.id,
  ]) {
    t.ok(letter.text.includes(words), words);
    const written = html`${words}`.text;
    t.ok(letter.html.includes(written), written);
  }
  t.notMatch(letter.html, /<b>|A<2>/, "nothing from outside is markup");
  t.match(letter.html, "&lt;b&gt;&quot;Tom &amp; Jerry&#39;s&quot;&lt;/b&gt;");
  for (const seat of ["A1", "A<2>"]) {
    const token = tokens.of(booking.id, SHOW, seat);
    t.ok(letter.text.includes(`Ticket for seat ${seat}\n${token}\n`));
    t.ok(letter.html.includes(token));
  }
  const images = letter.attachments.filter(({ contentType }) => contentType === "image/png");
  t.equal(images.length, 2);
  for (const { cid, content } of images) {
    t.ok(letter.html.includes(`src="cid:${cid}"`));
    t.equal(content.toString("latin1", 1, 4), "PNG");
  }
  t.equal(images[1]?.filename, "ticket-A_2_.png");
});

t.test("a cancellation says why and what becomes of the money, and has no ticket", async (t) => {
  const cancelled = (more: Partial<BookingFacts>, isCancelled = false) =>
    cancellationLetter({ booking: { ...booking, status: "cancelled", ...more }, show: { ...show, isCancelled }, at });
  const cases: readonly [Partial<BookingFacts>, RegExp, RegExp][] = [
    [{ reason: "cancelled_by_holder", payment: "refunding" }, /as you asked/, /USD 24\.00, is being given back/],
    [{ reason: "cancelled_by_holder", payment: "refunded" }, /as you asked/, /USD 24\.00, has been given back/],
    [{ reason: "cancelled_by_holder", payment: "voided" }, /as you asked/, /You are not charged/],
    [{ reason: "capture_failed", payment: "refunding" }, /could not be completed/, /You are not charged/],
    [{ reason: "show_cancelled", payment: "none" }, /the whole show/, /Nothing was charged online/],
  ];
  for (const [more, cause, money] of cases) {
    for (const said of [cancelled(more).text, cancelled(more).html]) {
      t.match(said, cause);
      t.match(said, money);
      t.notMatch(said, /eyJ|cid:/);
    }
  }
  t.notMatch(cancelled({ total: 0, payment: "none" }).text, /charged|given back/, "of nothing, nothing is given back");
  t.match(cancelled({ reason: "show_cancelled" }, true).subject, /^Show cancelled: /);
  t.same(
    cancelled({}).attachments.map(({ contentType }) => contentType),
    ["text/calendar; charset=utf-8; method=CANCEL"],
  );
});

t.test("the calendar's entry: the same booking is the same entry; its lines are short and whole", async (t) => {
  const title = `${"映画,".repeat(40)}; end\\`;
  const entry = { bookingId: booking.id, show: { ...show, title }, seats: ["A1"], isCancelled: false, at };
  const file = calendarFile(entry);
  t.ok(file.endsWith("END:VCALENDAR\r\n"));
  for (const line of file.split("\r\n")) {
    t.ok(Buffer.byteLength(line) <= 75, line);
    t.notMatch(line, /\uFFFD|\n/);
  }
  const unfolded = file.replaceAll("\r\n ", "");
  t.match(unfolded, `SUMMARY:${"映画\\,".repeat(40)}\\; end\\\\\r\n`);
  t.match(unfolded, "DTSTART:20251122T013000Z\r\nDTEND:20251122T033000Z\r\n");
  t.match(unfolded, "METHOD:PUBLISH");
  const gone = calendarFile({ ...entry, isCancelled: true });
  t.match(gone, "METHOD:CANCEL\r\n");
  t.match(gone, "SEQUENCE:1\r\nSTATUS:CANCELLED\r\n");
  const uid = (text: string) => /UID:.*/.exec(text.replaceAll("\r\n ", ""))?.[0];
  t.equal(uid(gone), uid(file));
});
