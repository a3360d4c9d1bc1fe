// Goal: what a mail server says or does means the right thing, and takes a bounded time. Method: a real one, that takes,
// refuses, puts off, breaks off and says nothing; with and without TLS and passwords.

import t, { type Test } from "tap";
import { systemTimers } from "../../shared/platform/timers.ts";
import { partOf, partsOf, startMailServer, type TestMailServer } from "../../test/harness/mail-server.ts";
import type { Mail } from "./carrier.ts";
import { SmtpCarrier, type SmtpCarrierOptions, type SmtpServer } from "./smtp-carrier.ts";

const mailTo = (to: string, more: Partial<Mail> = {}): Mail => ({
  newsId: "show-1:1:0",
  messageId: "<usher.show-1.1.0@roxy.example>",
  from: { name: 'Roxy "X", Ä', address: "tickets@roxy.example" },
  to,
  at: Date.parse("2025-11-20T12:00:00Z"),
  letter: { subject: "Your tickets: Amélie 映画", text: ".\nÄ\n", html: "<p>Ä</p>", attachments: [] },
  ...more,
});

function carrierTo(t: Test, server: Partial<SmtpServer>, more: Partial<SmtpCarrierOptions> = {}): SmtpCarrier {
  const carrier = new SmtpCarrier({
    server: { host: "127.0.0.1", port: 1, isTlsFirst: false, login: undefined, ...server },
    ratePerS: 1_000,
    timers: systemTimers,
    ...more,
  });
  t.teardown(() => carrier.close());
  return carrier;
}

const to = (server: TestMailServer, more: Partial<SmtpServer> = {}): Partial<SmtpServer> => ({
  port: server.port,
  ...more,
});

t.test("taken: its envelope and headers are what was meant", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server));
  t.same(await carrier.deliver(mailTo("ann@example.org")), { kind: "delivered" });
  const [mail] = server.mails;
  t.match(mail, { from: "tickets@roxy.example", to: ["ann@example.org"], isSecret: false });
  const [{ headers }] = partsOf(mail?.raw ?? "") as [ReturnType<typeof partsOf>[0]];
  t.equal(headers.get("message-id"), "<usher.show-1.1.0@roxy.example>");
  t.equal(headers.get("date"), "Thu, 20 Nov 2025 12:00:00 +0000");
  t.equal(headers.get("to"), "ann@example.org");
  t.equal(headers.get("auto-submitted"), "auto-generated");
  t.equal(
    partOf(mail?.raw ?? "", "text/plain")
      .content.toString("utf8")
      .replaceAll("\r\n", "\n"),
    ".\nÄ\n",
  );
  t.equal(server.connections(), 1);
  await carrier.deliver(mailTo("bob@example.org"));
  t.equal(server.connections(), 1, "a connection is used again");
});

t.test("nothing that comes from outside makes a header", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server));
  const evil = "x\r\nBcc: eve@example.org\r\n\r\nbody";
  const letter = {
    subject: evil,
    text: "t",
    html: "<p>t</p>",
    attachments: [{ filename: `a"\r\nX-Evil: 1`, contentType: "text/plain", content: Buffer.from("a") }],
  };
  t.same(await carrier.deliver(mailTo("ann@example.org", { letter })), { kind: "delivered" });
  t.same(server.asked, ["ann@example.org"]);
  for (const { headers } of partsOf(server.mails[0]?.raw ?? "")) {
    t.notOk(headers.has("bcc"));
    t.notOk(headers.has("x-evil"));
  }
});

t.test("what is said about this mail, and what about the server", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server));
  const cases: readonly [TestMailServer["rules"], object][] = [
    [
      { recipient: () => "550 5.1.1 <ann@example.org> unknown" },
      { kind: "refused", reason: /^RCPT TO 550( 5\.1\.1)?$/ },
    ],
    [{ recipient: () => "450 4.2.1 ann@example.org is full" }, { kind: "deferred", reason: /^RCPT TO 450/ }],
    [{ recipient: () => "421 4.3.2 going away" }, { kind: "away" }],
    [{ recipient: () => "451 4.3.0 look-up failed" }, { kind: "away" }],
    [{ recipient: () => "452 4.3.1 no space" }, { kind: "away" }],
    [{ whole: () => "554 5.6.0 ann@example.org: spam" }, { kind: "refused", reason: /^DATA 554/ }],
    [{ whole: () => "451 4.7.1 greylisted" }, { kind: "deferred", reason: /^DATA 451/ }],
    [{ sender: () => "550 5.7.1 not you" }, { kind: "away", reason: /^MAIL FROM 550/ }],
    [{ sender: () => "451 4.7.1 later" }, { kind: "away" }],
    [{ sender: () => "552 5.3.4 too big" }, { kind: "refused" }],
    [{ begun: () => "drop" }, { kind: "away" }],
    [{}, { kind: "delivered" }],
  ];
  for (const [rules, expected] of cases) {
    server.rules = rules;
    const delivery = await carrier.deliver(mailTo("ann@example.org"));
    t.match(delivery, expected);
    t.notMatch(JSON.stringify(delivery), /ann@|spam|full/, "nothing the server wrote");
  }
  t.equal(server.mails.length, 1);
});

t.test("a message that broke off is sent anew by nobody but whoever asks again", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server));
  await carrier.deliver(mailTo("warm@example.org"));
  for (const rules of [{ begun: () => "drop" }, { whole: () => "drop" }]) {
    server.rules = rules;
    server.asked.length = 0;
    t.match(await carrier.deliver(mailTo("ann@example.org")), { kind: "away" });
    t.same(server.asked, ["ann@example.org"]);
  }
});

t.test("a server that says nothing takes a bounded time, and so does the end", async (t) => {
  const server = await startMailServer(t);
  const bounds = { connectMs: 300, silenceMs: 300, sendMs: 5_000 };
  const impatient = carrierTo(t, to(server), { bounds });
  for (const rules of [{ recipient: () => "hang" }, { begun: () => "hang" }, { whole: () => "hang" }]) {
    server.rules = rules;
    t.match(await impatient.deliver(mailTo("ann@example.org")), { kind: "away", reason: /ETIMEDOUT/ });
  }
  const bound = carrierTo(t, to(server), { bounds: { sendMs: 300 } });
  t.match(await bound.deliver(mailTo("ann@example.org")), { kind: "away", reason: /EABORT/ });
  const closed = carrierTo(t, to(server));
  server.asked.length = 0;
  server.rules = {
    recipient: () => {
      closed.close();
      return "hang";
    },
  };
  t.match(await closed.deliver(mailTo("ann@example.org")), { kind: "away" });
  t.match(await closed.deliver(mailTo("ann@example.org")), { kind: "away" }, "nothing after the end");
  t.same(server.asked, ["ann@example.org"]);
});

t.test("no server", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server));
  t.match(await carrier.deliver(mailTo("ann@example.org")), { kind: "delivered" });
  await server.stop();
  t.match(await carrier.deliver(mailTo("ann@example.org")), { kind: "away", reason: /ECONN/ });
  t.match(await carrierTo(t, { host: "mail.invalid" }).deliver(mailTo("a@b.c")), { kind: "away" });
});

t.test("passwords and TLS", async (t) => {
  const login = { user: "usher", pass: "right" };
  const withTls = await startMailServer(t, { disabledCommands: [], authOptional: false });
  t.match(await carrierTo(t, to(withTls, { login })).deliver(mailTo("ann@example.org")), { kind: "delivered" });
  t.match(withTls.mails[0], { isSecret: true, user: "usher" }, "STARTTLS is taken where it is offered");

  const open = await startMailServer(t, { authOptional: false, allowInsecureAuth: true });
  t.match(await carrierTo(t, to(open, { login })).deliver(mailTo("ann@example.org")), { kind: "delivered" });
  t.same(open.logins, ["usher:right"], "in the clear to this machine");
  const wrong = carrierTo(t, to(open, { login: { user: "usher", pass: "wrong" } }));
  t.match(await wrong.deliver(mailTo("ann@example.org")), { kind: "away", reason: /^AUTH PLAIN 535/ });

  // Another name of this machine that the carrier cannot know to be one.
  open.logins.length = 0;
  const elsewhere = carrierTo(t, to(open, { login, host: "127.1" }));
  t.match(await elsewhere.deliver(mailTo("ann@example.org")), { kind: "away", reason: /TLS/ });
  t.same(open.logins, [], "the password was not sent in the clear");

  const tlsFirst = await startMailServer(t, { secure: true });
  const unverified = carrierTo(t, to(tlsFirst, { isTlsFirst: true }));
  t.match(await unverified.deliver(mailTo("ann@example.org")), { kind: "away", reason: /CERT/ });
  t.same(tlsFirst.asked, [], "a certificate nobody signed is not believed");
});

t.test("so many a second", async (t) => {
  const server = await startMailServer(t);
  const carrier = carrierTo(t, to(server), { ratePerS: 5 });
  const from = performance.now();
  await Promise.all(Array.from({ length: 16 }, (_, i) => carrier.deliver(mailTo(`g${i}@example.org`))));
  t.equal(server.mails.length, 16);
  t.ok(performance.now() - from >= 1_000, "it waited");
});
