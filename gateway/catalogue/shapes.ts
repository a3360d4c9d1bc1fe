// The catalogue's answers as schemas of the OpenAPI document, and the query parameters its routes share.

import { z } from "@hono/zod-openapi";
import { AVAILABILITIES } from "./availability.ts";

const ID_PATTERN = "^[A-Za-z0-9_-]{1,40}$";
const ID = new RegExp(ID_PATTERN);
const ID_MESSAGE = "must be 1 to 40 of A-Z, a-z, 0-9, _ and -";

/** An id in a path; one that is malformed is the id of nothing. */
export const pathId = () => z.string().regex(ID, ID_MESSAGE);
export const queryId = () => z.string().regex(ID, ID_MESSAGE);

export const queryDate = () =>
  z.iso
    .date("must be a date such as 2026-01-31")
    .refine((text) => text >= "2000" && text < "2200", "must be in the years 2000 to 2199");

const instant = z.iso.datetime();
const minor = z.int().openapi({ description: "Minor units." });
const availability = z.enum(AVAILABILITIES).openapi({ description: "`Almost Full`: less than a tenth is free." });

const SEATS = z.array(z.object({ type: z.string(), price: minor, currency: z.string(), status: availability }));

export const CITIES = z
  .object({
    cities: z.array(
      z.object({
        city_id: z.string(),
        name: z.string(),
        state: z.string(),
        country: z.string(),
        cinemas: z.array(
          z.object({
            cinema_id: z.string(),
            name: z.string(),
            address: z.string(),
            postal_code: z.string(),
            latitude: z.number(),
            longitude: z.number(),
            time_zone: z.string().openapi({ example: "America/New_York" }),
          }),
        ),
      }),
    ),
  })
  .openapi("Cities");

export const MOVIES = z
  .object({
    results: z.array(
      z.object({
        movie_id: z.string(),
        title: z.string(),
        description: z.string(),
        duration_min: z.int(),
        genre: z.string(),
        language: z.string(),
        release_date: z.iso.date().nullable(),
        country: z.string(),
        shows: z
          .array(
            z.object({
              show_id: z.string(),
              starts_at: instant,
              ends_at: instant,
              cinema_id: z.string(),
              cinema: z.string(),
              city_id: z.string(),
              city: z.string(),
              postal_code: z.string(),
              seats: SEATS,
            }),
          )
          .openapi({ description: "The next 20 that match." }),
      }),
    ),
    next_cursor: z.string().nullable().openapi({ description: "For the next page; `null` on the last one." }),
    did_you_mean: z.string().nullable(),
  })
  .openapi("Movies");

export const SHOWTIMES = z
  .object({
    movie_id: z.string(),
    title: z.string(),
    cinemas: z.array(
      z.object({
        cinema_id: z.string(),
        cinema: z.string(),
        address: z.string(),
        postal_code: z.string(),
        latitude: z.number(),
        longitude: z.number(),
        time_zone: z.string(),
        city_id: z.string(),
        city: z.string(),
        shows: z.array(
          z.object({
            show_id: z.string(),
            starts_at: instant,
            ends_at: instant,
            hall_id: z.string(),
            hall: z.string(),
            seats: SEATS,
          }),
        ),
      }),
    ),
    truncated: z.boolean().openapi({ description: "There are more, later ones: ask by city or date." }),
  })
  .openapi("Showtimes");

export const SHOW = z
  .object({
    show_id: z.string(),
    movie_id: z.string(),
    title: z.string(),
    cinema_id: z.string(),
    cinema: z.string(),
    city_id: z.string(),
    city: z.string(),
    time_zone: z.string(),
    hall_id: z.string(),
    hall: z.string(),
    layout_id: z.string(),
    starts_at: instant,
    ends_at: instant,
    sales_cutoff: instant,
    cancelled: z.boolean(),
    categories: z.array(
      z.object({
        category: z.string(),
        price: minor,
        currency: z.string(),
        total: z.int(),
        free: z.int(),
        status: availability,
      }),
    ),
    policies: z.object({
      hold_ttl_s: z.int(),
      grace_s: z.int(),
      offer_ttl_s: z.int(),
      waitlist_policy: z.enum(["strict", "first_fit"]).openapi({
        description:
          "`strict`: in the order of joining, the head of the line accumulates seats until it can be served. `first_fit`: " +
          "seats go to whoever has waited longest among the parties that fit.",
      }),
      single_gap: z.enum(["allow", "reject"]),
      gated: z.boolean(),
    }),
    stale: z.boolean().optional().openapi({ description: "The counts are what was last known." }),
  })
  .openapi("Show");

export const LAYOUT = z
  .object({
    layout_id: z.string(),
    focus: z.object({ x: z.number(), y: z.number() }),
    seats: z.array(
      z.object({
        index: z.int(),
        label: z.string(),
        section: z.string(),
        row: z.string(),
        number: z.int(),
        x: z.number(),
        y: z.number(),
        category: z.string(),
        accessible: z.boolean(),
      }),
    ),
  })
  .openapi("Layout");

export const ETAG_HEADER = { ETag: "Changes when the answer does" };
export const NOT_MODIFIED = { 304: { description: "Still the one of `If-None-Match`" } };
