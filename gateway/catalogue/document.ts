// The catalogue document: one JSON format for `usher import`, `POST /v1/admin/catalogue` and the demo.
// Owns its shape and the limit of every field; docs/catalogue.schema.json is generated from here and a test keeps it so.
// D1: an unknown field is refused, so a misspelt policy never passes for the default.
// D2: no text holds control characters or lone surrogates: Postgres refuses NUL and would change a lone surrogate.
// D3: what one item can say about itself is checked here; what items say about each other in check.ts and references.ts.

import { z } from "zod";
import { dayMs, instantMs, isTimeZone } from "./times.ts";

export const LIMITS = {
  cities: 10_000,
  layouts: 5_000,
  cinemas: 20_000,
  hallsPerCinema: 100,
  movies: 50_000,
  shows: 500_000,
  seatsPerLayout: 2_000,
  categoriesPerLayout: 16,
  /** Minor units: ten such seats stay far inside what a double and a bigint hold exactly. */
  price: 100_000_000,
  showLengthMs: dayMs,
} as const;

const id = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, "must be 1 to 40 of A-Z, a-z, 0-9, _ and -");

/** One line of text with something to read in it. */
const line = (charactersMax: number) =>
  z
    .string()
    .max(charactersMax)
    .regex(/^(?=.*\S)[^\p{Cc}\p{Cs}]*$/u, "must be text, without control characters or lone surrogates");

/** May be empty, may have line breaks. */
const prose = (charactersMax: number) =>
  z
    .string()
    .max(charactersMax)
    .regex(/^[^\p{Cs}\0-\x08\x0b-\x1f\x7f-\x9f]*$/u, "must not hold control characters or lone surrogates");

const word = (charactersMax: number) =>
  z
    .string()
    .max(charactersMax)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must not hold control characters or lone surrogates");

const yearsFit = (from: number, to: number) => (text: string) => {
  const year = Number(text.slice(0, 4));
  return year >= from && year <= to;
};

/** RFC 3339 with any offset. Kept as text: times.ts turns it into milliseconds. */
export const instant = z.iso
  .datetime({ offset: true, error: "must be an RFC 3339 time such as 2026-01-31T19:30:00Z" })
  .refine(yearsFit(2000, 2199), "must be in the years 2000 to 2199");

const date = z.iso
  .date("must be a date such as 2026-01-31")
  .refine(yearsFit(1870, 2199), "must be in the years 1870 to 2199");

const categoryName = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{M}\p{N} _&+'.-]{0,39}$/u, "must be 1 to 40 letters, digits, spaces and _ & + ' . -");

const priceMinor = z.int().min(0).max(LIMITS.price);

export const prices = z
  .record(categoryName, priceMinor)
  .describe("Price in minor units for exactly the categories of the hall's layout");

export const currency = z.string().regex(/^[A-Z]{3}$/, "must be three capital letters, as in ISO 4217");

const City = z.strictObject({
  city_id: id,
  name: line(120),
  state: word(120).default("").describe("State, province or region; may be empty"),
  country: line(80),
});

const Seat = z.strictObject({
  index: z
    .int()
    .min(0)
    .max(LIMITS.seatsPerLayout - 1)
    .describe("Its place in the array"),
  label: z
    .string()
    .regex(/^[^\p{C}\p{Z}]{1,16}$/u, "must be 1 to 16 visible characters")
    .describe("What is said and printed, unique in the layout, e.g. F12"),
  section: word(40),
  row: word(16),
  number: z.int().min(0).max(99_999),
  x: z.number().min(-100_000).max(100_000),
  y: z.number().min(-100_000).max(100_000),
  category: categoryName,
  accessible: z.boolean(),
});

const Layout = z
  .strictObject({
    layout_id: id,
    focus: z
      .strictObject({ x: z.number().min(-100_000).max(100_000), y: z.number().min(-100_000).max(100_000) })
      .describe("Where the hall is best seen from; best-available seats are nearest to it"),
    seats: z.array(Seat).min(1).max(LIMITS.seatsPerLayout),
  })
  .superRefine((layout, context) => {
    const labels = new Set<string>();
    const categories = new Set<string>();
    for (const [place, seat] of layout.seats.entries()) {
      const refuse = (field: string, message: string) =>
        context.addIssue({ code: "custom", path: ["seats", place, field], message });
      if (seat.index !== place) refuse("index", `must be ${place}: seats stand in the order of their index`);
      if (labels.has(seat.label)) refuse("label", `${JSON.stringify(seat.label)} is already another seat's label`);
      labels.add(seat.label);
      if (!categories.has(seat.category) && categories.size === LIMITS.categoriesPerLayout)
        refuse("category", `a layout has at most ${LIMITS.categoriesPerLayout} categories`);
      else categories.add(seat.category);
    }
  });

const Hall = z.strictObject({ hall_id: id, name: line(120), layout_id: id });

const Cinema = z.strictObject({
  cinema_id: id,
  city_id: id,
  name: line(120),
  address: line(240),
  postal_code: line(20),
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  time_zone: z.string().max(64).refine(isTimeZone, "must be an IANA time zone such as America/New_York"),
  halls: z.array(Hall).max(LIMITS.hallsPerCinema),
});

const Movie = z.strictObject({
  movie_id: id,
  title: line(240),
  description: prose(4_000).default(""),
  duration_min: z.int().min(1).max(1_440),
  genre: line(60),
  language: line(60),
  release_date: date.nullable().default(null),
  country: line(80),
});

const policies = {
  hold_ttl_s: z.int().min(1).max(3_600).describe("How long a hold lasts; without it the service's HOLD_TTL_S"),
  grace_s: z.int().min(0).max(60).describe("How much longer the server waits; without it HOLD_GRACE_S"),
  offer_ttl_s: z.int().min(1).max(3_600).describe("How long an offer to a waiter stands; without it OFFER_TTL_S"),
  waitlist_policy: z
    .enum(["strict", "first_fit"])
    .describe("strict: the head of the line is served first; first_fit: the longest-waiting party that fits"),
  single_gap: z.enum(["allow", "reject"]),
  gated: z.boolean(),
};

const showFields = z.strictObject({
  show_id: id.optional().describe("Without it, made from the hall and the start, so that an import can be repeated"),
  movie_id: id,
  hall_id: id,
  starts_at: instant,
  ends_at: instant.optional().describe("Without it, the start + the movie's duration"),
  prices,
  currency,
  hold_ttl_s: policies.hold_ttl_s.optional(),
  grace_s: policies.grace_s.optional(),
  offer_ttl_s: policies.offer_ttl_s.optional(),
  sales_cutoff: instant.optional().describe("From then on nothing is sold; without it, the start"),
  waitlist_policy: policies.waitlist_policy.default("strict"),
  single_gap: policies.single_gap.default("allow"),
  gated: policies.gated.default(false),
});

/** One show: in the document, and the body of `POST /v1/admin/shows`. */
export const Show = showFields.superRefine((show, context) => {
  for (const issue of timeIssues(timesOf(show))) context.addIssue({ code: "custom", ...issue });
});

/** The body of `PATCH /v1/admin/shows/{show_id}`; `null` goes back to the default. */
export const ShowPatch = z
  .strictObject({
    starts_at: instant.describe("Moves the end and the sales cutoff along, where they are not given too"),
    ends_at: instant,
    prices,
    currency,
    hold_ttl_s: policies.hold_ttl_s.nullable(),
    grace_s: policies.grace_s.nullable(),
    offer_ttl_s: policies.offer_ttl_s.nullable(),
    sales_cutoff: instant.nullable(),
    waitlist_policy: policies.waitlist_policy,
    single_gap: policies.single_gap,
    gated: policies.gated,
  })
  .partial();

export interface ShowTimesMs {
  readonly startsAt: number;
  readonly endsAt: number | undefined;
  readonly salesCutoff: number | undefined;
}

function timesOf(show: z.output<typeof showFields>): ShowTimesMs {
  return {
    startsAt: instantMs(show.starts_at),
    endsAt: show.ends_at === undefined ? undefined : instantMs(show.ends_at),
    salesCutoff: show.sales_cutoff === undefined ? undefined : instantMs(show.sales_cutoff),
  };
}

/** What is wrong with a show's times among themselves. */
export function timeIssues(times: ShowTimesMs): { path: string[]; message: string }[] {
  const { startsAt, endsAt, salesCutoff } = times;
  if (endsAt !== undefined && endsAt <= startsAt) return [{ path: ["ends_at"], message: "must be after starts_at" }];
  if (endsAt !== undefined && endsAt - startsAt > LIMITS.showLengthMs)
    return [{ path: ["ends_at"], message: "must be at most 24 hours after starts_at" }];
  if (endsAt !== undefined && salesCutoff !== undefined && salesCutoff > endsAt)
    return [{ path: ["sales_cutoff"], message: "must not be after the end of the show" }];
  return [];
}

/** The arrays of a document, in the order in which one refers to another. */
export const sections = {
  cities: z.array(City).max(LIMITS.cities),
  layouts: z.array(Layout).max(LIMITS.layouts),
  cinemas: z.array(Cinema).max(LIMITS.cinemas),
  movies: z.array(Movie).max(LIMITS.movies),
  shows: z.array(Show).max(LIMITS.shows),
};

export const CatalogueDocument = z
  .strictObject({
    $schema: z.string().max(240).optional().describe("For editors; not read"),
    cities: sections.cities.default([]),
    layouts: sections.layouts.default([]),
    cinemas: sections.cinemas.default([]),
    movies: sections.movies.default([]),
    shows: sections.shows.default([]),
  })
  .describe("A catalogue for Usher: where shows take place, what is shown, and when. An import adds and updates.");

/** As written, defaults left out or not, with every section. */
export type WholeCatalogueInput = { readonly [Section in keyof typeof sections]: z.input<(typeof sections)[Section]> };
/** As checked: defaults filled in. */
export type Catalogue = z.output<typeof CatalogueDocument>;
export type CatalogueCity = z.output<typeof City>;
export type CatalogueCinema = z.output<typeof Cinema>;
export type CatalogueMovie = z.output<typeof Movie>;
export type CatalogueLayout = z.output<typeof Layout>;
export type CatalogueShow = z.output<typeof showFields>;
export type CatalogueShowPatch = z.output<typeof ShowPatch>;

/** What docs/catalogue.schema.json holds: JSON Schema 2020-12 of the document as it is written. */
export function catalogueJsonSchema(): object {
  return z.toJSONSchema(CatalogueDocument, { io: "input", reused: "inline" });
}
