// Tokens of tickets: always the same, verifiable with the published key alone, and nothing else is one.

import { generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { calculateJwkThumbprint, compactVerify, importJWK } from "jose";
import t from "tap";
import type { BookingId, ShowId } from "../kernel/ids.ts";
import { TicketTokens } from "./ticket-tokens.ts";

const SHOW = "show-1" as ShowId;
const BOOKING = `${SHOW}.${"b".repeat(22)}` as BookingId;
const KEY = generateKeyPairSync("ed25519").privateKey;
const base64url = (text: string | Buffer): string => Buffer.from(text).toString("base64url");

/** A whole token of these parts, signed with the key. */
const signed = (header: string, claims: string, key = KEY): string => {
  const text = `${base64url(header)}.${base64url(claims)}`;
  return `${text}.${base64url(sign(null, Buffer.from(text), key))}`;
};

t.test("a token is the same whoever signs it and whenever, and reads as what it was signed for", async (t) => {
  const tokens = new TicketTokens(KEY);
  const token = tokens.of(BOOKING, SHOW, "F12");
  t.equal(tokens.recall(BOOKING, "F12"), token);
  t.equal(new TicketTokens(KEY).of(BOOKING, SHOW, "F12"), token);
  t.strictSame(new TicketTokens(KEY).read(token), { bookingId: BOOKING, showId: SHOW, seat: "F12" });
  t.not(tokens.of(BOOKING, SHOW, "F13"), token);
  t.ok(token.length < 350, `${token.length} characters`);
  const odd = 'Ä"/\u{1F3AC}';
  t.equal(tokens.read(tokens.of(BOOKING, SHOW, odd))?.seat, odd);
});

t.test("who has the published key alone can verify it", async (t) => {
  const { jwk, ...tokens } = new TicketTokens(KEY);
  t.same(tokens, {}, "nothing else of it is public");
  t.equal(jwk.kid, await calculateJwkThumbprint(jwk));
  t.notOk("d" in jwk, "the private half is not in it");
  const token = new TicketTokens(KEY).of(BOOKING, SHOW, "F12");
  const { payload, protectedHeader } = await compactVerify(token, await importJWK({ ...jwk }, "EdDSA"));
  t.strictSame(protectedHeader, { alg: "EdDSA", kid: jwk.kid, typ: "usher-ticket" });
  t.strictSame(JSON.parse(Buffer.from(payload).toString("utf8")), { booking_id: BOOKING, show_id: SHOW, seat: "F12" });
});

t.test("what is no token of ours reads as nothing", async (t) => {
  const tokens = new TicketTokens(KEY);
  const token = tokens.of(BOOKING, SHOW, "F12");
  const [header = "", claims = "", signature = ""] = token.split(".");
  const headerText = Buffer.from(header, "base64url").toString("utf8");
  const claimsText = Buffer.from(claims, "base64url").toString("utf8");
  t.ok(tokens.read(signed(headerText, claimsText)), "the others below differ in what they say they do");
  const { jwk } = tokens;
  const cases: Record<string, string> = {
    "nothing at all": "",
    "10 KB": "x".repeat(10_240),
    "10 KB in three parts": `${header}.${"x".repeat(10_240)}.${signature}`,
    "no signature": `${header}.${claims}.`,
    "two parts": `${header}.${claims}`,
    "four parts": `${token}.${signature}`,
    "a space after it": `${token} `,
    "a line before it": `\n${token}`,
    "a NUL in it": token.replace(".", ".\0"),
    "another key": signed(headerText, claimsText, generateKeyPairSync("ed25519").privateKey),
    "no algorithm": signed(headerText.replace("EdDSA", "none"), claimsText),
    "another algorithm": signed(headerText.replace("EdDSA", "HS256"), claimsText),
    "a key of its own": signed(JSON.stringify({ alg: "EdDSA", jwk, typ: "usher-ticket" }), claimsText),
    "another kind of token": signed(headerText.replace("usher-ticket", "JWT"), claimsText),
    "other claims": `${header}.${base64url(claimsText.replace("F12", "F13"))}.${signature}`,
    "a signature spelled otherwise": `${header}.${claims}.${signature.slice(0, -1)}${signature.endsWith("A") ? "B" : String.fromCharCode(signature.charCodeAt(85) + 1)}`,
    "a booking of another show": signed(headerText, claimsText.replace('"show-1"', '"show-2"')),
    "no seat": signed(headerText, JSON.stringify({ booking_id: BOOKING, show_id: SHOW })),
    "a seat by number": signed(headerText, JSON.stringify({ booking_id: BOOKING, show_id: SHOW, seat: 1 })),
  };
  for (const [what, text] of Object.entries(cases)) t.equal(tokens.read(text), undefined, what);
});

t.test("whatever is done to a token, it reads as nothing or as what it was", async (t) => {
  const tokens = new TicketTokens(KEY);
  const token = tokens.of(BOOKING, SHOW, "F12");
  const change = fc.tuple(fc.nat(token.length - 1), fc.nat(3), fc.string({ maxLength: 3 }));
  fc.assert(
    fc.property(change, ([place, count, text]) => {
      const changed = token.slice(0, place) + text + token.slice(place + count);
      return changed === token || tokens.read(changed) === undefined;
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => tokens.read(text) === undefined),
    { numRuns: 300 },
  );
  t.pass();
});
