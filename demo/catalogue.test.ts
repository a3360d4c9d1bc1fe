// Goal: the demo is what it promises (real places, enough of everything, times that make sense), is valid by our own
// check and by its published schema, and can be generated again on another day without disturbing what is there.

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import t from "tap";
import { checkCatalogue, issueText } from "../gateway/catalogue/check.ts";
import { isTimeZone } from "../gateway/catalogue/times.ts";
import { readPostalCodes } from "./catalogue/dataset.ts";
import { DEMO_SHOW_ID, generateDemoCatalogue } from "./catalogue/generate.ts";
import { smallCatalogue } from "./catalogue/small.ts";

const STARTS_ON = "2026-11-21";
const demo = await generateDemoCatalogue({ startsOn: STARTS_ON });

t.test("there is enough of everything", async (t) => {
  t.ok(demo.cities.length >= 40, `${demo.cities.length} cities`);
  t.ok(demo.cinemas.length >= 200, `${demo.cinemas.length} cinemas`);
  t.ok(demo.movies.length >= 50, `${demo.movies.length} films`);
  const from = `${STARTS_ON}T23:59:59Z`;
  const upcoming = demo.shows.filter((show) => show.starts_at > from).length;
  t.ok(upcoming >= 5_000 && demo.shows.length < 20_000, `${upcoming} shows to come of ${demo.shows.length}`);
  t.same(new Set(demo.shows.map((show) => show.movie_id)).size, demo.movies.length, "every film is shown");
  t.same(
    new Set(demo.shows.map((show) => show.hall_id)).size,
    demo.cinemas.reduce((sum, cinema) => sum + cinema.halls.length, 0),
    "every hall shows something",
  );
});

t.test("our check passes it", async (t) => {
  const result = await checkCatalogue(demo);
  t.same(result.kind === "refused" ? result.issues.map(issueText) : [], []);
});

t.test("the published schema passes it, and not what our check refuses", async (t) => {
  const schema = JSON.parse(readFileSync(new URL("../docs/catalogue.schema.json", import.meta.url), "utf8"));
  const validate = new Ajv2020({ strict: true, formats: { "date-time": true, date: true } }).compile(schema);
  t.ok(validate(demo), JSON.stringify(validate.errors));
  t.ok(validate(smallCatalogue({ startsAt: 0 })), JSON.stringify(validate.errors));
  const [city] = demo.cities;
  const [show] = demo.shows;
  const wrong = [
    { towns: [] },
    { cities: [{ ...city, name: "a\u0000" }] },
    { cities: [{ ...city, name: "\ud800" }] },
    { cities: [{ ...city, city_id: "a b" }] },
    { shows: [{ ...show, prices: { standard: 9.5 } }] },
    { shows: [{ ...show, prices: { __x: 1 } }] },
    { shows: [{ ...show, waitlist_policy: "loose" }] },
    { shows: [{ ...show, starts_at: "tomorrow" }] },
  ];
  for (const document of wrong) {
    t.notOk(validate(document), JSON.stringify(document));
    t.equal((await checkCatalogue(document)).kind, "refused");
  }
});

t.test("cinemas stand at real postal codes, in their city's time zone", async (t) => {
  const codes = new Map((await readPostalCodes()).map((code) => [code.postalCode, code]));
  const cities = new Map(demo.cities.map((city) => [city.city_id, city]));
  for (const cinema of demo.cinemas) {
    const code = codes.get(cinema.postal_code);
    const city = cities.get(cinema.city_id);
    t.match(
      { city: code?.city, state: code?.state, latitude: code?.latitude, longitude: code?.longitude },
      { city: city?.name, state: city?.state, latitude: cinema.latitude, longitude: cinema.longitude },
      cinema.cinema_id,
    );
    t.ok(isTimeZone(cinema.time_zone), cinema.time_zone);
    // A zone is some 15° wide, its clocks within two hours of the sun's.
    const hours = Number(/GMT([+-]\d+)/.exec(offsetName(cinema.time_zone))?.[1]);
    t.ok(Math.abs(cinema.longitude / 15 - hours) < 2, `${cinema.cinema_id}: ${cinema.longitude} at ${hours}`);
  }
});

const offsetName = (timeZone: string): string =>
  new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "shortOffset" }).format(Date.parse(`${STARTS_ON}T12:00:00Z`));

t.test("halls have 60 to 600 seats, three categories, aisles and accessible places", async (t) => {
  t.ok(demo.layouts.length >= 6);
  for (const { layout_id: id, seats, focus } of demo.layouts) {
    t.ok(seats.length >= 60 && seats.length <= 600, `${id}: ${seats.length} seats`);
    t.same([...new Set(seats.map((seat) => seat.category))], ["standard", "premium", "recliner"], id);
    t.ok(
      seats.some((seat) => seat.accessible) && seats.filter((seat) => seat.accessible).length < seats.length / 10,
      id,
    );
    const rowA = seats.filter((seat) => seat.row === "A");
    const gaps = rowA.slice(1).map((seat, i) => seat.x - (rowA[i]?.x ?? 0));
    t.ok(gaps.some((gap) => gap >= 2) && gaps.some((gap) => gap < 1.5), `${id} has an aisle`);
    const places = new Set(seats.map((seat) => `${seat.x} ${seat.y}`));
    t.equal(places.size, seats.length, `${id}: nobody sits on another's lap`);
    t.ok(focus.y > 0 && focus.y < Math.max(...seats.map((seat) => seat.y)), id);
  }
});

t.test("shows begin at sensible local times, one after the other", async (t) => {
  const zones = new Map(demo.cinemas.flatMap((cinema) => cinema.halls.map((hall) => [hall.hall_id, cinema.time_zone])));
  const durations = new Map(demo.movies.map((movie) => [movie.movie_id, movie.duration_min]));
  const formats = new Map<string, Intl.DateTimeFormat>();
  const hourOf = (at: string, timeZone: string): number => {
    const format =
      formats.get(timeZone) ?? new Intl.DateTimeFormat("en", { timeZone, hour: "numeric", hourCycle: "h23" });
    formats.set(timeZone, format);
    return Number(format.format(Date.parse(at)));
  };
  const hours = new Set(demo.shows.map((show) => hourOf(show.starts_at, zones.get(show.hall_id) ?? "")));
  t.same(
    [...hours].sort((a, b) => a - b),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22],
  );
  const ends = new Map<string, number>();
  let overlaps = 0;
  for (const show of demo.shows.slice(1)) {
    const startsAt = Date.parse(show.starts_at);
    if (startsAt < (ends.get(show.hall_id) ?? 0)) overlaps += 1;
    ends.set(show.hall_id, startsAt + (durations.get(show.movie_id) ?? 0) * 60_000);
  }
  t.equal(overlaps, 0);
});

t.test("the show of the documentation is there, and far enough ahead", async (t) => {
  const galaOf = async (startsOn: string) =>
    (await generateDemoCatalogue({ startsOn, days: 1 })).shows.find((show) => show.show_id === DEMO_SHOW_ID)?.starts_at;
  t.equal(await galaOf(STARTS_ON), "2027-01-01T01:00:00.000Z", "eight in the evening in New York");
  t.equal(await galaOf("2026-12-24"), "2027-01-01T01:00:00.000Z");
  t.equal(await galaOf("2026-12-25"), "2028-01-01T01:00:00.000Z");
});

t.test("again: the same; on a later day: more, and nothing else is different", async (t) => {
  t.strictSame(await generateDemoCatalogue({ startsOn: STARTS_ON }), demo);
  const later = await generateDemoCatalogue({ startsOn: "2026-11-24" });
  t.strictSame({ ...later, shows: [] }, { ...demo, shows: [] });
  const byId = new Map(demo.shows.map((show) => [show.show_id, show]));
  const again = later.shows.filter((show) => byId.has(show.show_id));
  t.ok(again.length > 1_000 && later.shows.length - again.length > 1_000);
  t.strictSame(
    again,
    again.map((show) => byId.get(show.show_id)),
  );
});
