// Goal: who booked and left an address is written to once about each thing that happened to the booking, whatever the
// mail server, the store or a crash does meanwhile, and nobody else is. Method: bookings made by a real allocator in a
// real store, the news from their log, a real mail server.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import t, { type Test } from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { newsOf, newsTypeOf } from "../../allocator/news/news-of.ts";
import { StripeGateway } from "../../allocator/payments/stripe-adapter.ts";
import { SIMULATOR_KEY, startPaymentSimulator } from "../../demo/payment-simulator/server.ts";
import { type Carrier, DELIVERED } from "../../notifier/mail/carrier.ts";
import { FolderCarrier } from "../../notifier/mail/folder-carrier.ts";
import { MailSink, type MailSinkOptions } from "../../notifier/mail/mail-sink.ts";
import { SmtpCarrier } from "../../notifier/mail/smtp-carrier.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { createMetrics } from "../../shared/platform/metrics.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { loadSecrets } from "../../shared/platform/secrets.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { News } from "../../shared/protocol/show-news.ts";
import { TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import {
  ASK_MS,
  bookingIn,
  bySeats,
  confirm,
  type NodeOptions,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { partOf, partsOf, startMailServer, type TestMailServer } from "../harness/mail-server.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

interface Guest {
  readonly bookingId: BookingId;
  readonly session: SessionId;
  readonly email: string | undefined;
}

async function house(t: Test, options: NodeOptions = {}) {
  const database = await pg.freshDatabase();
  const { pool } = database;
  const [showId] = (await putOnSale(pool, { rows: 3, seatsPerRow: 20 })) as [ShowId];
  const node = await startNode(t, database, "n1", options);
  const tokens = new TicketTokens((await loadSecrets(pool)).ticketKey);
  const server = await startMailServer(t);
  const lines: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => lines.push(line) });
  let seat = 0;
  const book = async (email: string | undefined, seats = 1): Promise<Guest> => {
    const session = newSession();
    const choice = bySeats(...Array.from({ length: seats }, () => seat++));
    const { id: bookingId } = bookingIn(await node.port.ask(showId, placeHold(choice, session), ASK_MS));
    const paid = await node.port.ask(showId, { ...confirm(bookingId, session), contactEmail: email }, ASK_MS);
    if (wordOf(paid) !== "booked") throw new Error(JSON.stringify(paid));
    return { bookingId, session, email };
  };
  const cancel = async ({ bookingId, session }: Guest): Promise<void> => {
    const command = { kind: "CancelBooking", bookingId, session, operation: newOperation() } as const;
    t.equal(wordOf(await node.port.ask(showId, command, ASK_MS)), "cancelled");
  };
  const smtp = (bounds = {}): Carrier =>
    new SmtpCarrier({
      server: { host: "127.0.0.1", port: server.port, isTlsFirst: false, login: undefined },
      ratePerS: 1_000,
      timers: systemTimers,
      bounds,
    });
  const sink = (more: Partial<MailSinkOptions> = {}): MailSink => {
    const made = new MailSink({
      pool,
      carrier: smtp(),
      tokens,
      from: { name: "Aztec", address: "tickets@aztec.example" },
      timers: systemTimers,
      now: Date.now,
      log,
      metrics: createMetrics(),
      ...more,
    });
    t.teardown(() => made.close());
    return made;
  };
  return { pool, showId, node, tokens, server, lines, book, cancel, smtp, sink, news: () => newsIn(pool, showId) };
}

/** What a relay would tell the sink. */
async function newsIn(pool: Pool, showId: ShowId): Promise<News[]> {
  const { rows } = await pool.query<{ seq: number; epoch: number; at: number; events: string }>(
    "SELECT seq, epoch, at, events FROM show_log WHERE show_id = $1 ORDER BY seq",
    [showId],
  );
  const facts = { bookings: new Map(), waiters: new Map() };
  const about = { showId, words: { labels: [], categories: [] }, facts };
  return rows.flatMap(({ events: text, ...turn }) => {
    const events = JSON.parse(text) as ShowEvent[];
    return events
      .map((event, i) => newsOf({ ...turn, events }, i, newsTypeOf(event, false), about))
      .filter(({ type }) => type === "booking.confirmed" || type === "booking.cancelled");
  });
}

const notices = async (pool: Pool): Promise<Record<string, string>> => {
  const { rows } = await pool.query<{ news_id: string; status: string }>("SELECT news_id, status FROM notice");
  return Object.fromEntries(rows.map(({ news_id, status }) => [news_id, status]));
};

const text = (raw: string | undefined): string =>
  partOf(raw ?? "", "text/plain")
    .content.toString("utf8")
    .replaceAll("\r\n", "\n");
const headerIn = (raw: string | undefined, name: string): string | undefined =>
  partsOf(raw ?? "")[0]?.headers.get(name);
const recipients = (server: TestMailServer): string[] => server.mails.map(({ to }) => to.join());

t.test("a confirmation with its tickets, once; nobody without an address is written to", async (t) => {
  const { showId, tokens, server, book, sink, news, pool, lines } = await house(t);
  const ann = await book("ann@example.org", 3);
  await book(undefined);
  const told = await news();
  t.equal(told.length, 2);
  const first = sink();
  t.equal(await first.tell(told), 2);
  t.equal(await first.tell(told), 2);
  t.equal(await sink().tell(told), 2, "another process neither");
  t.same(recipients(server), ["ann@example.org"]);
  const raw = server.mails[0]?.raw;
  const parts = partsOf(raw ?? "");
  const images = parts.filter(({ headers }) => headers.get("content-type")?.startsWith("image/png"));
  t.equal(images.length, 3);
  const html = partOf(raw ?? "", "text/html").content.toString("utf8");
  for (const { headers } of images) t.match(html, `"cid:${headers.get("content-id")?.slice(1, -1)}"`);
  const written = text(raw).match(/^eyJ\S+$/gm) ?? [];
  t.same(
    written.map((token) => tokens.read(token)),
    ["A1", "A2", "A3"].map((seat) => ({ bookingId: ann.bookingId, showId, seat })),
  );
  t.match(text(raw), /\d\d:\d\d \(Central (Standard|Daylight) Time, America\/Chicago\)/);
  t.match(text(raw), "USD 36.00");
  t.match(text(raw), "Address: 1 Main Street, Springfield, IL 62701\n");
  t.equal(headerIn(raw, "message-id"), `<usher.${told[0]?.id.replaceAll(":", ".")}@aztec.example>`);
  t.equal(headerIn(raw, "from"), "Aztec <tickets@aztec.example>");
  t.same(await notices(pool), { [told[0]?.id ?? ""]: "sent" });
  t.notMatch(lines.join(""), /ann@|eyJ/, "no address and no ticket in the log");
});

t.test("a cancellation says what becomes of the money; a confirmation that is late by then is not sent", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-mail-money-"));
  const simulator = await startPaymentSimulator({ dataDir, port: 0 });
  t.teardown(async () => {
    await simulator.close();
    await rm(dataDir, { recursive: true });
  });
  const payments = new StripeGateway({ url: simulator.url, apiKey: SIMULATOR_KEY });
  const { pool, showId, server, book, cancel, sink, news, node } = await house(t, { payments });
  const refunded = async (n: number): Promise<void> =>
    until("the money is back", async () => {
      const { rows } = await pool.query("SELECT 1 FROM booking WHERE payment->>'state' IN ('refunded', 'voided')");
      return rows.length === n;
    });
  const ann = await book("ann@example.org");
  const mails = sink();
  await mails.tell(await news());
  await cancel(ann);
  await cancel(await book("bob@example.org"));
  await refunded(2);
  const told = await news();
  t.equal(await mails.tell(told), told.length);
  t.same(recipients(server).sort(), ["ann@example.org", "ann@example.org", "bob@example.org"]);
  for (const { raw } of server.mails.slice(1)) {
    t.match(headerIn(raw, "subject"), "Your booking is cancelled: The Test Card");
    t.match(text(raw), /as you asked.*USD 12\.00/s);
    t.notMatch(raw, /image\/png/);
    t.notMatch(text(raw), /eyJ/);
  }

  await book("cat@example.org");
  await book("dan@example.org");
  await pool.query("UPDATE show SET cancelled = true WHERE show_id = $1", [showId]);
  const confirmations = (await news()).filter(({ id }) => !told.some((old) => old.id === id));
  server.mails.length = 0;
  t.equal(await mails.tell(confirmations), 2);
  t.same(server.mails, [], "tickets of a cancelled show are void before its bookings are cancelled");
  await node.port.ask(showId, { kind: "RefreshTerms" }, ASK_MS);
  await refunded(4);
  t.equal(await mails.tell(await news()), (await news()).length);
  t.same(recipients(server).sort(), ["cat@example.org", "dan@example.org"]);
  for (const { raw } of server.mails) {
    t.match(headerIn(raw, "subject"), "Show cancelled: The Test Card");
    t.match(text(raw), /the whole show.*USD 12\.00/s);
  }
});

t.test("however many ask about bookings at once, few statements do", async (t) => {
  const { pool, book, sink, news, server } = await house(t);
  await book("ann@example.org");
  for (let i = 0; i < 20; i += 1) await book(undefined);
  const told = await news();
  let statements = 0;
  const counted = new Proxy(pool, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "query") return typeof value === "function" ? value.bind(target) : value;
      return (query: { name?: string }) => {
        if (query.name === "mail_contacts") statements += 1;
        return target.query(query as never);
      };
    },
  });
  const mails = sink({ pool: counted });
  t.same(
    await Promise.all(told.map((each) => mails.tell([each]))),
    told.map(() => 1),
  );
  t.ok(statements <= 2, `${statements} statements`);
  t.same(recipients(server), ["ann@example.org"]);
});

t.test("put off, then taken; refused for good; nobody else waits for it", async (t) => {
  const { pool, server, book, sink, news, lines } = await house(t);
  const names = ["full", "ann", "gone", "bob"].map((name) => `${name}@example.org`);
  for (const name of names) await book(name);
  const told = await news();
  server.rules = {
    recipient: (address) =>
      address.startsWith("full")
        ? "450 4.2.2 full@example.org"
        : address.startsWith("gone")
          ? "550 5.1.1 no"
          : undefined,
  };
  const mails = sink();
  await t.rejects(mails.tell(told), "the head is not safe");
  t.same(recipients(server).sort(), ["ann@example.org", "bob@example.org"]);
  t.equal(await mails.tell(told.slice(1)), 3, "the refused one is safe");
  server.rules = {};
  t.equal(await mails.tell(told), 4);
  t.same(recipients(server).sort(), ["ann@example.org", "bob@example.org", "full@example.org"]);
  t.same(Object.values(await notices(pool)).sort(), ["failed", "sent", "sent", "sent"]);
  const { rows } = await pool.query("SELECT reason FROM notice WHERE status = 'failed'");
  t.match(rows, [{ reason: /^RCPT TO 550/ }]);
  t.match(lines.join(""), "…@example.org");
  t.notMatch(lines.join(""), /full@|gone@|ann@|bob@/);
});

t.test("what is put off for ever fails in the end", async (t) => {
  const { pool, server, book, sink, news } = await house(t);
  await book("full@example.org");
  const told = await news();
  server.rules = { recipient: () => "450 4.2.2 full" };
  await t.rejects(sink().tell(told));
  const impatient = sink({ bounds: { patienceMs: 0 } });
  t.equal(await impatient.tell(told), 1);
  t.same(Object.values(await notices(pool)), ["failed"]);
  server.rules = {};
  t.equal(await impatient.tell(told), 1);
  t.same(server.mails, [], "and is not tried again");
});

t.test("no mail goes: nothing is safe but what went, in order, and nobody is tried in vain", async (t) => {
  const { server, book, sink, news } = await house(t);
  for (let i = 0; i < 12; i += 1) await book(`g${i}@example.org`);
  const told = await news();
  const mails = sink();
  let taken = 0;
  server.rules = {
    whole: () => {
      taken += 1;
      return taken > 5 ? "421 4.3.2 going away" : undefined;
    },
  };
  const safe = await mails.tell(told).catch(() => 0);
  t.ok(safe <= 5);
  t.equal(server.mails.length, 5);
  t.ok(server.asked.length <= 5 + 4, "those under way, and no more");
  for (const { id } of told.slice(0, safe)) {
    t.ok(server.mails.some(({ raw }) => headerIn(raw, "message-id")?.includes(id.replaceAll(":", "."))));
  }
  server.rules = { sender: () => "550 5.7.1 not you" };
  await t.rejects(mails.tell(told.slice(safe)), /no mail goes: MAIL FROM 550/);
  server.rules = {};
  t.equal(await mails.tell(told.slice(safe)), 12 - safe);
  t.same(new Set(recipients(server)).size, 12);
  t.equal(server.mails.length, 12, "each once");
});

t.test("a connection that breaks in the middle, and a server that hangs: bounded, and once in the end", async (t) => {
  const { server, book, sink, news, smtp } = await house(t);
  await book("ann@example.org");
  const told = await news();
  const mails = sink({ carrier: smtp({ silenceMs: 400, sendMs: 1_500 }) });
  for (const rules of [
    { begun: () => "drop" },
    { begun: () => "hang" },
    { recipient: () => "hang" },
  ] satisfies TestMailServer["rules"][]) {
    server.rules = rules;
    await t.rejects(mails.tell(told), /no mail goes/);
  }
  t.same(server.mails, []);
  server.rules = {};
  t.equal(await mails.tell(told), 1);
  t.equal(server.mails.length, 1);
});

t.test("two who are told at once send one mail", async (t) => {
  const { server, book, sink, news } = await house(t);
  for (let i = 0; i < 8; i += 1) await book(`g${i}@example.org`);
  const told = await news();
  const sinks = [sink(), sink(), sink()];
  await Promise.allSettled(sinks.map((each) => each.tell(told)));
  await Promise.allSettled(sinks.map((each) => each.tell(told)));
  for (const each of sinks) t.equal(await each.tell(told), 8);
  t.same(recipients(server).sort(), Array.from({ length: 8 }, (_, i) => `g${i}@example.org`).sort());
});

t.test(
  "killed after the mail server took it: when the claim is over it is sent once more, with the same id",
  async (t) => {
    const { pool, server, book, sink, news, smtp } = await house(t);
    await book("ann@example.org");
    const told = await news();
    const inner = smtp();
    let tellTaken: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => {
      tellTaken = resolve;
    });
    const killed: Carrier = {
      deliver: async (mail) => {
        await inner.deliver(mail);
        tellTaken();
        return new Promise(() => undefined);
      },
      close: () => inner.close(),
    };
    t.teardown(() => inner.close());
    const dying = new MailSink({
      pool,
      carrier: killed,
      tokens: { of: () => "token" },
      from: { name: "", address: "tickets@aztec.example" },
      timers: systemTimers,
      now: Date.now,
      log: pino({ level: "silent" }),
      metrics: createMetrics(),
    });
    void dying.tell(told);
    await taken;
    const next = sink();
    await t.rejects(next.tell(told), "somebody may be at it");
    t.equal(server.mails.length, 1);
    await pool.query("UPDATE notice SET claimed_until = now() - interval '1 ms'");
    t.equal(await next.tell(told), 1);
    t.equal(server.mails.length, 2);
    const ids = server.mails.map(({ raw }) => headerIn(raw, "message-id"));
    t.equal(ids[0], ids[1]);
    t.equal(await next.tell(told), 1);
    t.equal(server.mails.length, 2);
  },
);

t.test("sent, and the store is away: it is remembered, and written down later", async (t) => {
  const { pool, server, book, sink, news } = await house(t);
  await book("ann@example.org");
  const told = await news();
  let isAway = true;
  const moody = new Proxy(pool, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "query") return typeof value === "function" ? value.bind(target) : value;
      return (query: { name?: string }) => {
        if (isAway && query.name === "notice_record") return Promise.reject(new Error("the store is away"));
        return target.query(query as never);
      };
    },
  });
  const mails = sink({ pool: moody });
  await t.rejects(mails.tell(told), /the store is away/);
  t.same(Object.values(await notices(pool)), ["sending"]);
  await t.rejects(mails.tell(told), /the store is away/);
  isAway = false;
  t.equal(await mails.tell(told), 1);
  t.equal(server.mails.length, 1);
  t.same(Object.values(await notices(pool)), ["sent"]);
});

t.test("a title is a title, an address is one recipient", async (t) => {
  const { pool, server, book, sink, news } = await house(t);
  const evil = 'x"\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>';
  await pool.query("UPDATE movie SET title = $1", [evil]);
  await book("ann@example.org");
  await book("ann@example.org, eve@example.org");
  await book("ann@example.org>\r\nRCPT TO:<eve@example.org");
  const told = await news();
  t.equal(await sink().tell(told), 3);
  t.same(server.asked, ["ann@example.org"]);
  const raw = server.mails[0]?.raw ?? "";
  t.notOk(partsOf(raw).some(({ headers }) => headers.has("bcc")));
  t.match(headerIn(raw, "subject"), 'Your tickets: x" Bcc: eve@example.org <script>alert(1)</script>');
  t.notMatch(partOf(raw, "text/html").content.toString("utf8"), "<script>");
  t.same(Object.values(await notices(pool)).sort(), ["failed", "failed", "sent"]);
});

t.test("a show that is over is confirmed to nobody; one that is not in the catalogue stops nobody", async (t) => {
  const { pool, showId, server, book, sink, news } = await house(t);
  await book("ann@example.org");
  const [told] = (await news()) as [News];
  const { rows } = await pool.query<{ ends_at: Date }>("SELECT ends_at FROM show WHERE show_id = $1", [showId]);
  const end = rows[0]?.ends_at.getTime() ?? 0;
  t.equal(await sink({ now: () => end }).tell([told]), 1);
  t.same(server.mails, []);
  t.equal(await sink({ now: () => end - 1 }).tell([told]), 1);
  t.equal(server.mails.length, 1);
  const foreign: News = { ...told, id: "other:1:0", data: { ...told.data, show_id: "other" as ShowId } };
  t.equal(await sink().tell([foreign]), 1);
  t.equal(server.mails.length, 1);
});

t.test("the end: what is under way is given up after a moment, and nothing is begun", async (t) => {
  const { server, book, sink, news, pool } = await house(t);
  for (let i = 0; i < 6; i += 1) await book(`g${i}@example.org`);
  const told = await news();
  server.rules = { recipient: () => "hang" };
  const mails = sink({ bounds: { closeMs: 50 } });
  const telling = t.rejects(mails.tell(told));
  await until("some hang", () => server.asked.length === 4);
  await mails.close();
  await telling;
  await t.rejects(mails.tell(told), /no more mails/);
  t.equal(server.asked.length, 4);
  t.same(new Set(Object.values(await notices(pool))), new Set(["waiting"]), "nobody has to wait for a claim");
});

t.test("without a mail server, into a folder", async (t) => {
  const { book, sink, news, pool } = await house(t);
  const folder = await mkdtemp(join(tmpdir(), "usher-mail-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await book("ann@example.org", 2);
  await book(undefined);
  const told = await news();
  const mails = sink({ carrier: new FolderCarrier(join(folder, "mail")) });
  t.equal(await mails.tell(told), 2);
  const files = await readdir(join(folder, "mail"));
  t.same(files, [`${told[0]?.id.replaceAll(":", ".")}.eml`]);
  const raw = await readFile(join(folder, "mail", files[0] ?? ""), "latin1");
  t.match(headerIn(raw, "to"), "ann@example.org");
  t.equal(partsOf(raw).filter(({ headers }) => headers.get("content-type")?.startsWith("image/png")).length, 2);
  t.same(Object.values(await notices(pool)), ["sent"]);
  t.equal(await sink({ carrier: { deliver: async () => DELIVERED, close: () => undefined } }).tell(told), 2);
});
