// Goal: every rule of the document, each by one document that breaks it and nothing else.
// Method: a small valid document, one change, and the exact issues expected.

import { readFileSync } from "node:fs";
import t from "tap";
import { smallCatalogue } from "../../demo/catalogue/small.ts";
import { checkCatalogue, ISSUES_MAX, issueText } from "./check.ts";
import { catalogueJsonSchema, LIMITS } from "./document.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents are broken in every way here, types included.
type Loose = any;

const STARTS_AT = Date.parse("2026-12-01T19:00:00Z");

/** As it comes from a file: plain JSON. */
const document = (change: (document: Loose) => void = () => undefined): Loose => {
  const value = JSON.parse(JSON.stringify(smallCatalogue({ startsAt: STARTS_AT, rows: 2, seatsPerRow: 2, shows: 2 })));
  change(value);
  return value;
};

const issuesOf = async (value: unknown): Promise<string[]> => {
  const result = await checkCatalogue(value);
  return result.kind === "refused" ? result.issues.map(issueText) : [];
};

t.test("a valid document passes, with defaults filled in", async (t) => {
  const result = await checkCatalogue(document());
  t.equal(result.kind, "checked");
  if (result.kind !== "checked") return;
  t.match(result.catalogue.shows[0], {
    show_id: "small-0001",
    waitlist_policy: "strict",
    single_gap: "allow",
    gated: false,
  });
});

t.test("every section may be left out, and an editor's $schema is no unknown field", async (t) => {
  t.same(await issuesOf({}), []);
  t.same(await issuesOf({ $schema: "./catalogue.schema.json" }), []);
});

const refusals: readonly (readonly [name: string, change: (d: Loose) => void, expected: readonly string[]])[] = [
  ["unknown section", (d) => (d.city = []), ["/city: unknown field"]],
  ["unknown field", (d) => (d.cities[0].zip = "1"), ["/cities/0/zip: unknown field"]],
  ["unknown field of a seat", (d) => (d.layouts[0].seats[1].z = 1), ["/layouts/0/seats/1/z: unknown field"]],
  ["unknown field of a hall", (d) => (d.cinemas[0].halls[0].size = 1), ["/cinemas/0/halls/0/size: unknown field"]],
  ["a field that is not printable", (d) => (d["a\u0000\ud800"] = 1), ["/a\ufffd\ufffd: unknown field"]],
  [
    "__proto__",
    (d) => Object.defineProperty(d.movies[0], "__proto__", { value: 1, enumerable: true }),
    ["/movies/0/__proto__: unknown field"],
  ],
  ["section that is no array", (d) => (d.shows = {}), ["/shows: must be an array"]],
  ["item that is no object", (d) => (d.cities = ["x"]), ["/cities/0: must be an object"]],
  ["missing", (d) => delete d.cities[0].name, ["/cities/0/name: is missing"]],
  ["wrong type", (d) => (d.cities[0].name = 7), ["/cities/0/name: must be a string"]],
  ["null", (d) => (d.cities[0].name = null), ["/cities/0/name: must be a string"]],
  [
    "id with a space",
    (d) => (d.cities[0].city_id = "a b"),
    ["/cities/0/city_id: must be 1 to 40 of A-Z, a-z, 0-9, _ and -"],
  ],
  [
    "id of 41",
    (d) => (d.movies[0].movie_id = "a".repeat(41)),
    ["/movies/0/movie_id: must be 1 to 40 of A-Z, a-z, 0-9, _ and -"],
  ],
  [
    "id with a line break",
    (d) => (d.movies[0].movie_id = "a\n"),
    ["/movies/0/movie_id: must be 1 to 40 of A-Z, a-z, 0-9, _ and -"],
  ],
  [
    "text too long",
    (d) => (d.movies[0].title = "x".repeat(241)),
    ["/movies/0/title: must have at most 240 characters"],
  ],
  [
    "text of blanks",
    (d) => (d.movies[0].title = "  "),
    ["/movies/0/title: must be text, without control characters or lone surrogates"],
  ],
  [
    "NUL",
    (d) => (d.movies[0].title = "a\u0000b"),
    ["/movies/0/title: must be text, without control characters or lone surrogates"],
  ],
  [
    "only a NUL",
    (d) => (d.movies[0].title = "\u0000"),
    ["/movies/0/title: must be text, without control characters or lone surrogates"],
  ],
  [
    "lone surrogate",
    (d) => (d.movies[0].title = "a\ud800"),
    ["/movies/0/title: must be text, without control characters or lone surrogates"],
  ],
  [
    "NUL in prose",
    (d) => (d.movies[0].description = "a\u0000"),
    ["/movies/0/description: must not hold control characters or lone surrogates"],
  ],
  [
    "surrogate in a state",
    (d) => (d.cities[0].state = "\udc00"),
    ["/cities/0/state: must not hold control characters or lone surrogates"],
  ],
  [
    "time zone unknown to Intl",
    (d) => (d.cinemas[0].time_zone = "Mars/Olympus"),
    ["/cinemas/0/time_zone: must be an IANA time zone such as America/New_York"],
  ],
  [
    "time zone that is an offset",
    (d) => (d.cinemas[0].time_zone = "+05:00"),
    ["/cinemas/0/time_zone: must be an IANA time zone such as America/New_York"],
  ],
  ["latitude", (d) => (d.cinemas[0].latitude = 90.1), ["/cinemas/0/latitude: must be at most 90"]],
  ["longitude", (d) => (d.cinemas[0].longitude = -181), ["/cinemas/0/longitude: must be at least -180"]],
  ["no halls field", (d) => delete d.cinemas[0].halls, ["/cinemas/0/halls: is missing"]],
  [
    "too many halls",
    (d) =>
      (d.cinemas[0].halls = Array.from({ length: 101 }, (_, i) => ({ ...d.cinemas[0].halls[0], hall_id: `h${i}` }))),
    ["/cinemas/0/halls: must have at most 100 entries"],
  ],
  ["duration 0", (d) => (d.movies[0].duration_min = 0), ["/movies/0/duration_min: must be at least 1"]],
  [
    "duration with a fraction",
    (d) => (d.movies[0].duration_min = 90.5),
    ["/movies/0/duration_min: must be a whole number"],
  ],
  [
    "date that does not exist",
    (d) => (d.movies[0].release_date = "2026-02-30"),
    ["/movies/0/release_date: must be a date such as 2026-01-31"],
  ],
  [
    "date before films",
    (d) => (d.movies[0].release_date = "0000-01-01"),
    ["/movies/0/release_date: must be in the years 1870 to 2199"],
  ],
  [
    "seats out of order",
    (d) => d.layouts[0].seats.reverse(),
    [
      "/layouts/0/seats/0/index: must be 0: seats stand in the order of their index",
      "/layouts/0/seats/1/index: must be 1: seats stand in the order of their index",
      "/layouts/0/seats/2/index: must be 2: seats stand in the order of their index",
      "/layouts/0/seats/3/index: must be 3: seats stand in the order of their index",
    ],
  ],
  [
    "label twice",
    (d) => (d.layouts[0].seats[3].label = "A1"),
    ['/layouts/0/seats/3/label: "A1" is already another seat\'s label'],
  ],
  [
    "label with a space",
    (d) => (d.layouts[0].seats[0].label = "A 1"),
    ["/layouts/0/seats/0/label: must be 1 to 16 visible characters"],
  ],
  [
    "label of nothing visible",
    (d) => (d.layouts[0].seats[0].label = "\u200b"),
    ["/layouts/0/seats/0/label: must be 1 to 16 visible characters"],
  ],
  [
    "label of 17",
    (d) => (d.layouts[0].seats[0].label = "A".repeat(17)),
    ["/layouts/0/seats/0/label: must be 1 to 16 visible characters"],
  ],
  [
    "infinite coordinate",
    (d) => (d.layouts[0].seats[0].x = JSON.parse("1e400")),
    ["/layouts/0/seats/0/x: must be a number"],
  ],
  ["infinite focus", (d) => (d.layouts[0].focus.y = JSON.parse("-1e400")), ["/layouts/0/focus/y: must be a number"]],
  ["no seats", (d) => (d.layouts[0].seats = []), ["/layouts/0/seats: must have at least 1 entries"]],
  [
    "2,001 seats",
    (d) =>
      (d.layouts[0].seats = Array.from({ length: 2_001 }, (_, index) => ({
        ...d.layouts[0].seats[0],
        index: Math.min(index, 1_999),
        label: `s${index}`,
      }))),
    ["/layouts/0/seats: must have at most 2000 entries"],
  ],
  [
    "17 categories",
    (d) =>
      (d.layouts[0].seats = Array.from({ length: 17 }, (_, index) => ({
        ...d.layouts[0].seats[0],
        index,
        label: `s${index}`,
        category: `c${index}`,
      }))),
    ["/layouts/0/seats/16/category: a layout has at most 16 categories"],
  ],
  [
    "category name",
    (d) => (d.layouts[0].seats[0].category = "__proto__"),
    ["/layouts/0/seats/0/category: must be 1 to 40 letters, digits, spaces and _ & + ' . -"],
  ],
  [
    "accessible as a number",
    (d) => (d.layouts[0].seats[0].accessible = 1),
    ["/layouts/0/seats/0/accessible: must be true or false"],
  ],
  ["price below 0", (d) => (d.shows[0].prices.standard = -1), ["/shows/0/prices/standard: must be at least 0"]],
  [
    "price with a fraction",
    (d) => (d.shows[0].prices.standard = 9.99),
    ["/shows/0/prices/standard: must be a whole number"],
  ],
  [
    "infinite price",
    (d) => (d.shows[0].prices.standard = JSON.parse("1e400")),
    ["/shows/0/prices/standard: must be a number"],
  ],
  [
    "price above the limit",
    (d) => (d.shows[0].prices.standard = LIMITS.price + 1),
    [`/shows/0/prices/standard: must be at most ${LIMITS.price}`],
  ],
  ["prices as a list", (d) => (d.shows[0].prices = [1]), ["/shows/0/prices: must be an object"]],
  [
    "price of __proto__",
    (d) => Object.defineProperty(d.shows[0].prices, "__proto__", { value: 1, enumerable: true }),
    ["/shows/0/prices/__proto__: unknown field"],
  ],
  [
    "price of an odd name",
    (d) => (d.shows[0].prices["a/b~"] = 1),
    ["/shows/0/prices/a~1b~0: must be 1 to 40 letters, digits, spaces and _ & + ' . -"],
  ],
  [
    "currency in small letters",
    (d) => (d.shows[0].currency = "usd"),
    ["/shows/0/currency: must be three capital letters, as in ISO 4217"],
  ],
  [
    "time without a zone",
    (d) => (d.shows[0].starts_at = "2026-12-01T19:00:00"),
    ["/shows/0/starts_at: must be an RFC 3339 time such as 2026-01-31T19:30:00Z"],
  ],
  [
    "time of a day that does not exist",
    (d) => (d.shows[0].starts_at = "2026-02-30T19:00:00Z"),
    ["/shows/0/starts_at: must be an RFC 3339 time such as 2026-01-31T19:30:00Z"],
  ],
  [
    "time before the years of use",
    (d) => (d.shows[0].starts_at = "0000-01-01T00:00:00Z"),
    ["/shows/0/starts_at: must be in the years 2000 to 2199"],
  ],
  [
    "ends as it starts",
    (d) => (d.shows[0].ends_at = d.shows[0].starts_at),
    ["/shows/0/ends_at: must be after starts_at"],
  ],
  [
    "longer than a day",
    (d) => (d.shows[0].ends_at = "2026-12-02T19:00:01Z"),
    ["/shows/0/ends_at: must be at most 24 hours after starts_at"],
  ],
  [
    "cutoff after the end",
    (d) => Object.assign(d.shows[0], { ends_at: "2026-12-01T20:00:00Z", sales_cutoff: "2026-12-01T20:00:00.001Z" }),
    ["/shows/0/sales_cutoff: must not be after the end of the show"],
  ],
  ["hold_ttl_s 0", (d) => (d.shows[0].hold_ttl_s = 0), ["/shows/0/hold_ttl_s: must be at least 1"]],
  ["hold_ttl_s 3601", (d) => (d.shows[0].hold_ttl_s = 3_601), ["/shows/0/hold_ttl_s: must be at most 3600"]],
  ["grace_s -1", (d) => (d.shows[0].grace_s = -1), ["/shows/0/grace_s: must be at least 0"]],
  ["grace_s 61", (d) => (d.shows[0].grace_s = 61), ["/shows/0/grace_s: must be at most 60"]],
  ["offer_ttl_s 3601", (d) => (d.shows[0].offer_ttl_s = 3_601), ["/shows/0/offer_ttl_s: must be at most 3600"]],
  [
    "unknown waitlist policy",
    (d) => (d.shows[0].waitlist_policy = "loose"),
    ["/shows/0/waitlist_policy: must be one of strict, first_fit"],
  ],
  ["unknown gap policy", (d) => (d.shows[0].single_gap = true), ["/shows/0/single_gap: must be one of allow, reject"]],
  ["gated as text", (d) => (d.shows[0].gated = "yes"), ["/shows/0/gated: must be true or false"]],
  ["city twice", (d) => d.cities.push(d.cities[0]), ['/cities/1/city_id: "small-city" is already in the document']],
  [
    "layout twice",
    (d) => d.layouts.push(d.layouts[0]),
    ['/layouts/1/layout_id: "small-layout" is already in the document'],
  ],
  [
    "cinema twice",
    (d) => d.cinemas.push({ ...d.cinemas[0], halls: [] }),
    ['/cinemas/1/cinema_id: "small-cinema" is already in the document'],
  ],
  [
    "hall twice, in another cinema",
    (d) => d.cinemas.push({ ...d.cinemas[0], cinema_id: "other" }),
    ['/cinemas/1/halls/0/hall_id: "small-hall" is already in the document'],
  ],
  ["movie twice", (d) => d.movies.push(d.movies[0]), ['/movies/1/movie_id: "small-film" is already in the document']],
  [
    "show twice",
    (d) => (d.shows[1].show_id = "small-0001"),
    ['/shows/1/show_id: "small-0001" is already in the document'],
  ],
];

for (const [name, change, expected] of refusals) {
  t.test(`refused: ${name}`, async (t) => t.same(await issuesOf(document(change)), expected));
}

t.test("boundaries that are allowed", async (t) => {
  const allowed = document((d) => {
    d.movies[0].title = "x".repeat(240);
    d.movies[0].description = "two\nlines\tand an 😀";
    d.cities[0].state = "";
    d.layouts[0].seats[0].label = "Ä".repeat(16);
    const [show] = d.shows;
    Object.assign(show, { hold_ttl_s: 3_600, grace_s: 0, offer_ttl_s: 1, ends_at: "2026-12-02T19:00:00Z" });
    Object.assign(show, { sales_cutoff: "2026-12-02T20:00:00+01:00", prices: { standard: 0 } });
  });
  t.same(await issuesOf(allowed), []);
});

t.test("what is no document at all is refused, not thrown at", async (t) => {
  for (const value of [null, 7, "x", [], undefined, Number.NaN])
    t.same(await issuesOf(value), ["/: must be an object"]);
});

t.test("at most 50 issues, and no more work than for 50", async (t) => {
  let pauses = 0;
  const shows = Array.from({ length: 100_000 }, () => 7);
  const result = await checkCatalogue({ shows }, async () => {
    pauses += 1;
  });
  t.equal(result.kind === "refused" && result.issues.length, ISSUES_MAX);
  t.equal(pauses, 0, "stopped within the first slice");
});

t.test("a long document lets others have a turn", async (t) => {
  let pauses = 0;
  const [show] = document().shows;
  const shows = Array.from({ length: 1_000 }, (_, i) => ({ ...show, show_id: `s${i}` }));
  const pause = async () => {
    pauses += 1;
  };
  t.equal((await checkCatalogue({ shows }, pause)).kind, "checked");
  t.ok(pauses >= 4);
});

t.test("a show without an id gets the same one every time, another one for another start", async (t) => {
  const idsOf = async (startsAt: string) => {
    const value = document((d) => {
      d.shows = [{ ...d.shows[0], starts_at: startsAt }];
      delete d.shows[0].show_id;
    });
    const result = await checkCatalogue(value);
    return result.kind === "checked" ? result.catalogue.shows.map((show) => show.show_id) : [];
  };
  const [id] = await idsOf("2026-12-01T19:00:00Z");
  t.match(id, /^[0-9a-z]{16}$/);
  t.same(await idsOf("2026-12-01T20:00:00+01:00"), [id], "the same moment, written otherwise");
  t.not((await idsOf("2026-12-01T19:00:01Z"))[0], id);
});

t.test("two shows without ids cannot begin at once in one hall", async (t) => {
  const issues = await issuesOf(
    document((d) => {
      for (const show of d.shows) delete show.show_id;
    }),
  );
  t.equal(issues.length, 1);
  t.match(issues[0], /^\/shows\/1\/starts_at: "[0-9a-z]{16}" is already in the document$/);
});

t.test("docs/catalogue.schema.json is the document's schema", async (t) => {
  const file = new URL("../../docs/catalogue.schema.json", import.meta.url);
  // When this fails: docs/CATALOGUE.md says how to write the file again.
  t.same(JSON.parse(readFileSync(file, "utf8")), JSON.parse(JSON.stringify(catalogueJsonSchema())));
});

t.test("the example in docs/CATALOGUE.md passes", async (t) => {
  const text = readFileSync(new URL("../../docs/CATALOGUE.md", import.meta.url), "utf8");
  const [, example = "{"] = /```json\n([\s\S]*?)```/.exec(text) ?? [];
  t.same(await issuesOf(JSON.parse(example)), []);
});
