// Settings of the mail server: what is right is read to the letter, what is wrong is nothing.

import t from "tap";
import { isAddress, parseMailbox, parseSmtpUrl } from "./smtp-url.ts";

t.test("mail servers", async (t) => {
  t.same(parseSmtpUrl("smtp://mail.example.org"), {
    host: "mail.example.org",
    port: 587,
    isTlsFirst: false,
    login: undefined,
  });
  t.same(parseSmtpUrl("smtps://us%40er:p%3Aa%2Fss@mail.example.org/"), {
    host: "mail.example.org",
    port: 465,
    isTlsFirst: true,
    login: { user: "us@er", pass: "p:a/ss" },
  });
  t.match(parseSmtpUrl("smtp://[::1]:25"), { host: "::1", port: 25 });
  for (const text of [
    "mail.example.org",
    "http://mail.example.org",
    "smtp://",
    "smtp://user@mail.example.org",
    "smtp://:pass@mail.example.org",
    "smtp://u:%E0%A4@mail.example.org",
    "smtp://mail.example.org/path",
    "smtp://mail.example.org?tls=off",
    "smtp://mail.example.org:99999",
  ]) {
    t.equal(parseSmtpUrl(text), undefined, text);
  }
});

t.test("senders", async (t) => {
  t.same(parseMailbox("tickets@roxy.example"), { name: "", address: "tickets@roxy.example" });
  t.same(parseMailbox("Roxy, the Cinema <tickets@roxy.example>"), {
    name: "Roxy, the Cinema",
    address: "tickets@roxy.example",
  });
  t.same(parseMailbox('"Roxy" <tickets@localhost>'), { name: "Roxy", address: "tickets@localhost" });
  for (const text of [
    "roxy",
    "a@b@c",
    "Roxy <>",
    "<a@b.c> x",
    "a@b.c, d@e.f",
    "Ro\nxy <a@b.c>",
    `a@${"b".repeat(300)}`,
  ]) {
    t.equal(parseMailbox(text), undefined, text);
  }
  t.notOk(isAddress("a@b.c\r\nRCPT TO:<d@e.f>"));
});
