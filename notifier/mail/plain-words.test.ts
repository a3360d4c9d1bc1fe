// Amounts by their currency's decimals, times by their zone's clocks, names that stay one line.

import t from "tap";
import { moneyText, oneLine, timeText } from "./plain-words.ts";

t.test("money has as many decimals as its currency", async (t) => {
  t.equal(moneyText(2_400, "USD"), "USD 24.00");
  t.equal(moneyText(5, "EUR"), "EUR 0.05");
  t.equal(moneyText(0, "EUR"), "EUR 0.00");
  t.equal(moneyText(2_400, "JPY"), "JPY 2400");
  t.equal(moneyText(2_400, "KWD"), "KWD 2.400");
  t.equal(moneyText(7, "KWD"), "KWD 0.007");
  t.equal(moneyText(9_007_199_254_740_991, "USD"), "USD 90071992547409.91");
  t.equal(moneyText(1_250, "XQZ"), "XQZ 12.50", "a code nobody knows");
});

t.test("a time is what the cinema's clocks show, and says whose", async (t) => {
  const at = Date.parse("2025-11-22T01:30:00Z");
  t.equal(
    timeText(at, "America/New_York"),
    "Friday, 21 November 2025, 20:30 (Eastern Standard Time, America/New_York)",
  );
  t.match(timeText(at, "Asia/Kolkata"), /^Saturday, 22 November 2025, 07:00 \(India Standard Time, /);
  t.match(timeText(Date.parse("2025-06-30T23:00:00Z"), "UTC"), /^Monday, 30 June 2025, 23:00 /);
  t.match(
    timeText(Date.parse("2025-07-01T00:00:00Z"), "UTC"),
    /^Tuesday, 1 July 2025, 00:00 /,
    "midnight is not 24:00",
  );
  // The hour that comes twice: only the zone's name tells which.
  t.match(timeText(Date.parse("2025-11-02T05:30:00Z"), "America/New_York"), /01:30 \(Eastern Daylight Time/);
  t.match(timeText(Date.parse("2025-11-02T06:30:00Z"), "America/New_York"), /01:30 \(Eastern Standard Time/);
  t.match(timeText(at, "Mars/Olympus"), /^Saturday, 22 November 2025, 01:30 \(Coordinated Universal Time, UTC\)$/);
});

t.test("a name is one line, whatever it holds", async (t) => {
  t.equal(oneLine("A\r\nBcc: all@example.org\u2028B\u0000\tC"), "A Bcc: all@example.org B C");
  t.equal(oneLine("abc\u202etxt.exe\u2069"), "abc txt.exe");
  t.equal(oneLine("  Amélie — 映画 👩‍🚀 "), "Amélie — 映画 👩‍🚀", "what people write stays");
  const long = oneLine("👩".repeat(300));
  t.equal([...long].length, 240);
  t.notMatch(long, /\p{Cs}/u, "no half characters");
});
