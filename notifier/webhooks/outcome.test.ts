import t from "tap";
import { outcomeOf } from "./outcome.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const answered = (status: number, retryAfter?: string, isComplete = true) =>
  outcomeOf({ kind: "answered", status, retryAfter, isComplete }, NOW);

t.test("what a status means", async (t) => {
  for (const status of [200, 201, 202, 204, 299]) t.same(answered(status), { kind: "safe" });
  for (const status of [300, 301, 302, 307, 308, 400, 401, 404, 409, 500, 502, 504]) {
    t.equal(answered(status).kind, "refused", String(status));
  }
  t.equal(answered(410).kind, "gone");
  for (const status of [429, 503]) t.equal(answered(status).kind, "busy");
  t.match(answered(200, undefined, false), { kind: "refused", reason: /cut off/ });
});

t.test("Retry-After is seconds or a date; anything else says nothing", async (t) => {
  for (const [text, ms] of [
    ["0", 0],
    ["120", 120_000],
    ["Sun, 01 Mar 2026 12:00:30 GMT", 30_000],
    ["Sun, 01 Mar 2026 11:59:30 GMT", undefined],
    ["-5", undefined],
    ["1e3", undefined],
    ["soon", undefined],
    ["99999999999999", undefined],
    [undefined, undefined],
  ] as const) {
    t.match(answered(503, text), { kind: "busy", retryAfterMs: ms }, text ?? "none");
    if (ms === undefined) t.equal((answered(429, text) as { retryAfterMs?: number }).retryAfterMs, undefined);
  }
});

t.test("silence is the endpoint's absence only where nobody was there", async (t) => {
  const unanswered = (wasConnected: boolean) =>
    outcomeOf({ kind: "unanswered", wasConnected, reason: "ECONNRESET" }, NOW);
  t.same(unanswered(true), { kind: "refused", reason: "ECONNRESET" });
  t.same(unanswered(false), { kind: "away", reason: "ECONNRESET" });
});
