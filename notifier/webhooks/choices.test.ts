import t from "tap";
import { NEWS_TYPES } from "../../shared/protocol/show-news.ts";
import { ENDPOINTS_MAX, parseEndpoints } from "./endpoint.ts";
import { EVENTS_DEFAULT, parseEvents } from "./event-choice.ts";
import type { Parsed } from "./parsed.ts";
import { parseSecrets, SECRETS_MAX } from "./signature.ts";

const problemOf = (parsed: Parsed<unknown>): string => (parsed.kind === "wrong" ? parsed.problem : "");
function read<Value>(parsed: Parsed<Value>): Value {
  if (parsed.kind === "ok") return parsed.value;
  throw new Error(parsed.problem);
}

const secretOf = (bytes: number, fill = 7): string => `whsec_${Buffer.alloc(bytes, fill).toString("base64")}`;

t.test("addresses, separated by commas, spaces or both", async (t) => {
  const endpoints = read(parseEndpoints("https://a.example/hook, http://127.0.0.1:8080/x?y=1\nhttps://b.example"));
  t.match(endpoints, [
    { host: "a.example", url: "https://a.example/hook", authorization: undefined },
    { host: "127.0.0.1:8080", url: "http://127.0.0.1:8080/x?y=1" },
    { host: "b.example", url: "https://b.example/" },
  ]);
  t.equal(new Set(endpoints.map(({ name }) => name)).size, 3);
  for (const { name } of endpoints) t.match(name, /^webhook:[0-9a-f]{12}$/);
});

t.test("user and password go into the header alone, and a new password makes no new name", async (t) => {
  const [one] = read(parseEndpoints("https://ann:s%40cret@a.example/hook#part"));
  t.equal(one?.authorization, `Basic ${Buffer.from("ann:s@cret").toString("base64")}`);
  t.equal(one?.url, "https://a.example/hook");
  t.equal(one?.name, read(parseEndpoints("https://ann:other@a.example/hook"))[0]?.name);
  t.not(one?.name, read(parseEndpoints("https://a.example/hook2"))[0]?.name);
});

t.test("every address that is wrong is named by its place, none is repeated", async (t) => {
  const bad =
    "ftp://u:hidden@x https://good.example https://[hidden http://u:%zz@hidden http://u%3Au:hidden@x HTTP://GOOD2.example https://p:hidden@good.example";
  const problem = problemOf(parseEndpoints(bad));
  t.match(problem, /address 1 does not begin with https/);
  t.match(problem, /address 3 is no address/);
  t.match(problem, /address 4 has a user or password with a %/);
  t.match(problem, /address 5 has a user with a colon/);
  t.match(problem, /address 7 is there twice/);
  t.notMatch(problem, /address [26]/);
  t.notMatch(problem, /hidden/);
  t.match(problemOf(parseEndpoints(" , ")), /names no address/);
  const many = Array.from({ length: ENDPOINTS_MAX + 1 }, (_, index) => `https://h${index}.example`);
  t.match(problemOf(parseEndpoints(many.join(","))), /at most 16/);
  t.equal(read(parseEndpoints(many.slice(1).join(","))).length, ENDPOINTS_MAX);
});

t.test("secrets: 24 to 64 bytes, several of them", async (t) => {
  t.same(read(parseSecrets(`${secretOf(24)} ${secretOf(64, 9)}`)), [Buffer.alloc(24, 7), Buffer.alloc(64, 9)]);
  for (const [bad, message] of [
    [secretOf(23), /secret 1 has 23 bytes/],
    [`${secretOf(24)},${secretOf(65)}`, /secret 2 has 65 bytes/],
    [secretOf(32).slice("whsec_".length), /secret 1 does not begin with whsec_/],
    [secretOf(32).replace(/=+$/, ""), /secret 1 is not base64/],
    [`${secretOf(32)}!`, /secret 1 is not base64/],
    ["whsec_", /secret 1 has 0 bytes/],
    [" ", /names no secret/],
    [
      Array(SECRETS_MAX + 1)
        .fill(secretOf(24))
        .join(","),
      /at most 4/,
    ],
  ] as const) {
    const problem = problemOf(parseSecrets(bad));
    t.match(problem, message);
    t.notMatch(problem, /BwcH/, "no secret is repeated");
  }
});

t.test("events: names, families, all", async (t) => {
  t.same(read(parseEvents("*")), NEWS_TYPES);
  t.same(read(parseEvents("hold.expired booking.*,hold.expired")), [
    "hold.expired",
    "booking.confirmed",
    "booking.cancelled",
  ]);
  const usual = read(parseEvents(EVENTS_DEFAULT));
  for (const type of NEWS_TYPES) {
    const expected = /^(booking|payment|ticket)\./.test(type) || type === "show.cancelled" || type === "hold.expired";
    t.equal(usual.includes(type), expected, type);
  }
});

t.test("an unknown event is named, with what may have been meant", async (t) => {
  for (const [word, hint] of [
    ["booking.confirm", '"booking.confirmed"'],
    ["booking_cancelled", '"booking.cancelled"'],
    ["Booking.*", '"booking.*"'],
    ["bookings.*", '"booking.*"'],
    ["payment.succeeded", '"payment.*"'],
    ["invoice.paid", "there are show.*"],
    ["", "names no event"],
    ["booking.confirmed.*", '"booking.confirmed"'],
  ] as const) {
    t.match(problemOf(parseEvents(word)), hint, word);
  }
  const both = problemOf(parseEvents("hold.expird, booking.*, \u0000\u001b[31m"));
  t.match(both, /"hold.expird".*"hold.expired".*knows no event/);
  t.notMatch(both, "\u001b", "nothing that a terminal would obey");
});
