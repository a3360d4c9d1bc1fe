// The catalogue's reads: one statement each, rows already in the API's words.
// Q1: a show is listed while somebody can still come to it: it is not cancelled, and its start or its sales cutoff,
//     whichever is later, is still to come, by Postgres's clock.
// Q2: seats free by category are the owner's last commit (show_lease.free); a show that nobody touched is all free.
// Q3: text is sorted as ICU sorts English; ties fall to the id, so every order is total.

import type { Pool } from "../../shared/platform/postgres.ts";
import { availabilityOf } from "./availability.ts";
import { localDayMs } from "./times.ts";

/** Starts are at most this long before the end of sales (LIMITS.showLengthMs); lets the index on starts_at be used. */
const UPCOMING = `NOT s.cancelled AND s.starts_at > now() - interval '1 day'
  AND greatest(s.starts_at, s.sales_cutoff) > now()`;

const ICU = 'COLLATE "en-x-icu"';

const SHOWS_PER_MOVIE = 20;
const SHOWTIMES_MAX = 1_000;

export async function readCities(pool: Pool): Promise<object[]> {
  const { rows } = await pool.query<object>(`
    SELECT city.city_id, city.name, city.state, city.country, coalesce(found.cinemas, '[]') AS cinemas
    FROM city LEFT JOIN (
      SELECT city_id, json_agg(json_build_object(
        'cinema_id', cinema_id, 'name', name, 'address', address, 'postal_code', postal_code,
        'latitude', latitude, 'longitude', longitude, 'time_zone', time_zone) ORDER BY name ${ICU}, cinema_id) AS cinemas
      FROM cinema GROUP BY city_id
    ) AS found USING (city_id)
    ORDER BY city.name ${ICU}, city.state ${ICU}, city.city_id`);
  return rows;
}

interface SeatsRow {
  readonly categories: readonly string[];
  readonly category_seats: readonly number[];
  readonly free: readonly number[];
  readonly prices: Readonly<Record<string, number>>;
  readonly currency: string;
}

const SEATS_COLUMNS = `ly.categories, ly.category_seats, coalesce(l.free, ly.category_seats) AS free, s.prices, s.currency`;
const SEATS_TABLES = `JOIN layout ly ON ly.layout_id = s.layout_id LEFT JOIN show_lease l ON l.show_id = s.show_id`;

function seatsOf({ categories, category_seats, free, prices, currency }: SeatsRow): object[] {
  return categories.map((type, i) => ({
    type,
    price: prices[type] ?? 0,
    currency,
    status: availabilityOf(free[i] ?? 0, category_seats[i] ?? 0),
  }));
}

export interface MoviesQuery {
  readonly cityId: string | undefined;
  readonly limit: number;
  /** The last movie of the page before. */
  readonly after: MovieKey | undefined;
}

/** A movie's place in the order of movies. */
export interface MovieKey {
  readonly title: string;
  readonly movieId: string;
}

export interface MoviesPage {
  readonly movies: readonly object[];
  /** The last one's, when there are more. */
  readonly next: MovieKey | undefined;
}

interface MovieRow {
  readonly movie_id: string;
  readonly title: string;
}

/** Movies with something to come (in the city), by title; each with its next shows (in the city). */
export async function readMovies(pool: Pool, { cityId, limit, after }: MoviesQuery): Promise<MoviesPage> {
  const { rows } = await pool.query<MovieRow>({
    name: "movies_page",
    text: `
      SELECT m.movie_id, m.title, m.description, m.duration_min, m.genre, m.language,
             m.release_date::text AS release_date, m.country
      FROM movie m
      WHERE EXISTS (SELECT FROM show s JOIN cinema c ON c.cinema_id = s.cinema_id
                    WHERE s.movie_id = m.movie_id AND ${UPCOMING} AND ($1::text IS NULL OR c.city_id = $1))
        AND ($2::text IS NULL OR (m.title ${ICU}, m.movie_id) > ($2 ${ICU}, $3::text))
      ORDER BY m.title ${ICU}, m.movie_id LIMIT $4`,
    values: [cityId ?? null, after?.title ?? null, after?.movieId ?? null, limit + 1],
  });
  const page = rows.slice(0, limit);
  const shows = await readNextShows(
    pool,
    page.map((row) => row.movie_id),
    cityId,
  );
  const last = page.at(-1);
  return {
    movies: page.map((movie) => ({ ...movie, shows: shows.get(movie.movie_id) ?? [] })),
    next: rows.length > limit && last !== undefined ? { title: last.title, movieId: last.movie_id } : undefined,
  };
}

async function readNextShows(
  pool: Pool,
  movieIds: readonly string[],
  cityId: string | undefined,
): Promise<Map<string, object[]>> {
  const { rows } = await pool.query<SeatsRow & { movie_id: string }>({
    name: "movies_shows",
    text: `
      SELECT m.movie_id, s.show_id, s.starts_at, s.ends_at, s.cinema_id, s.cinema, s.city_id, s.city, s.postal_code,
             ${SEATS_COLUMNS}
      FROM unnest($1::text[]) AS m(movie_id) CROSS JOIN LATERAL (
        SELECT s.show_id, s.starts_at, s.ends_at, s.layout_id, s.prices, s.currency,
               c.cinema_id, c.name AS cinema, c.postal_code, city.city_id, city.name AS city
        FROM show s JOIN cinema c ON c.cinema_id = s.cinema_id JOIN city ON city.city_id = c.city_id
        WHERE s.movie_id = m.movie_id AND ${UPCOMING} AND ($2::text IS NULL OR c.city_id = $2)
        ORDER BY s.starts_at, s.show_id LIMIT ${SHOWS_PER_MOVIE}
      ) AS s ${SEATS_TABLES}
      ORDER BY s.starts_at, s.show_id`,
    values: [movieIds, cityId ?? null],
  });
  const shows = new Map<string, object[]>(movieIds.map((id) => [id, []]));
  for (const { movie_id, categories, category_seats, free, prices, currency, ...show } of rows) {
    shows.get(movie_id)?.push({ ...show, seats: seatsOf({ categories, category_seats, free, prices, currency }) });
  }
  return shows;
}

export interface ShowtimesQuery {
  readonly movieId: string;
  readonly cityId: string | undefined;
  /** `2026-01-31`, in the time zone of each cinema. */
  readonly date: string | undefined;
}

const CINEMA_COLUMNS = [
  "cinema_id",
  "cinema",
  "address",
  "postal_code",
  "latitude",
  "longitude",
  "time_zone",
  "city_id",
  "city",
] as const;

type CinemaRow = Readonly<Record<(typeof CINEMA_COLUMNS)[number], unknown>>;

/** A movie's shows to come, by cinema; `undefined` when there is no such movie. At most SHOWTIMES_MAX, the next ones. */
export async function readShowtimes(pool: Pool, query: ShowtimesQuery): Promise<object | undefined> {
  const found = await pool.query<MovieRow>("SELECT movie_id, title FROM movie WHERE movie_id = $1", [query.movieId]);
  const [movie] = found.rows;
  if (movie === undefined) return undefined;
  const days = query.date === undefined ? undefined : await readDays(pool, query.date);
  const { rows } = await pool.query<SeatsRow & CinemaRow & { cinema_id: string }>({
    name: days === undefined ? "showtimes" : "showtimes_day",
    text: `
      SELECT s.show_id, s.starts_at, s.ends_at, s.hall_id, h.name AS hall, c.cinema_id, c.name AS cinema, c.address,
             c.postal_code, c.latitude, c.longitude, c.time_zone, city.city_id, city.name AS city, ${SEATS_COLUMNS}
      FROM show s JOIN cinema c ON c.cinema_id = s.cinema_id JOIN city ON city.city_id = c.city_id
        JOIN hall h ON h.hall_id = s.hall_id ${SEATS_TABLES}
      ${days === undefined ? "" : "JOIN unnest($3::text[], $4::float8[], $5::float8[]) AS d(zone, from_s, to_s) ON d.zone = c.time_zone AND s.starts_at >= to_timestamp(d.from_s) AND s.starts_at < to_timestamp(d.to_s)"}
      WHERE s.movie_id = $1 AND ${UPCOMING} AND ($2::text IS NULL OR c.city_id = $2)
      ORDER BY s.starts_at, s.show_id LIMIT ${SHOWTIMES_MAX + 1}`,
    values: [query.movieId, query.cityId ?? null, ...(days ?? [])],
  });
  return { ...movie, cinemas: byCinema(rows.slice(0, SHOWTIMES_MAX)), truncated: rows.length > SHOWTIMES_MAX };
}

/** The date's beginning and end, in seconds, for every time zone in use: three arrays. */
async function readDays(pool: Pool, date: string): Promise<[string[], number[], number[]]> {
  const { rows } = await pool.query<{ time_zone: string }>("SELECT DISTINCT time_zone FROM cinema");
  const zones = rows.map((row) => row.time_zone);
  const days = zones.map((zone) => localDayMs(date, zone));
  return [zones, days.map((day) => day.from / 1_000), days.map((day) => day.to / 1_000)];
}

function byCinema(rows: readonly (SeatsRow & CinemaRow & { cinema_id: string })[]): object[] {
  const cinemas = new Map<string, { cinema: object; shows: object[] }>();
  for (const { categories, category_seats, free, prices, currency, ...row } of rows) {
    const { cinema_id, cinema, address, postal_code, latitude, longitude, time_zone, city_id, city, ...show } = row;
    const where = { cinema_id, cinema, address, postal_code, latitude, longitude, time_zone, city_id, city };
    const entry = cinemas.get(cinema_id) ?? { cinema: where, shows: [] };
    cinemas.set(cinema_id, entry);
    entry.shows.push({ ...show, seats: seatsOf({ categories, category_seats, free, prices, currency }) });
  }
  const order = new Intl.Collator("en");
  return [...cinemas.values()]
    .map(({ cinema, shows }) => ({ ...(cinema as CinemaRow), shows }))
    .sort((a, b) => order.compare(`${a.city}`, `${b.city}`) || order.compare(`${a.cinema}`, `${b.cinema}`));
}

/** One show as its route answers it, but for what the seat map says. */
export interface ShowRecord {
  readonly show_id: string;
  readonly movie_id: string;
  readonly title: string;
  readonly cinema_id: string;
  readonly cinema: string;
  readonly city_id: string;
  readonly city: string;
  readonly time_zone: string;
  readonly hall_id: string;
  readonly hall: string;
  readonly layout_id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly sales_cutoff: Date;
  readonly cancelled: boolean;
  readonly prices: Readonly<Record<string, number>>;
  readonly currency: string;
  /** By category index, as of the owner's last commit. */
  readonly free: readonly number[];
  readonly hold_ttl_s: number | null;
  readonly grace_s: number | null;
  readonly offer_ttl_s: number | null;
  readonly waitlist_policy: string;
  readonly single_gap: string;
  readonly gated: boolean;
}

export async function readShow(pool: Pool, showId: string): Promise<ShowRecord | undefined> {
  const { rows } = await pool.query<ShowRecord>({
    name: "show_detail",
    text: `
      SELECT s.show_id, s.movie_id, m.title, s.cinema_id, c.name AS cinema, city.city_id, city.name AS city, c.time_zone,
             s.hall_id, h.name AS hall, s.layout_id, s.starts_at, s.ends_at, s.sales_cutoff, s.cancelled, s.prices,
             s.currency, s.hold_ttl_s, s.grace_s, s.offer_ttl_s, s.waitlist_policy, s.single_gap, s.gated,
             coalesce(l.free, ly.category_seats) AS free
      FROM show s JOIN movie m ON m.movie_id = s.movie_id JOIN cinema c ON c.cinema_id = s.cinema_id
        JOIN city ON city.city_id = c.city_id JOIN hall h ON h.hall_id = s.hall_id ${SEATS_TABLES}
      WHERE s.show_id = $1`,
    values: [showId],
  });
  return rows[0];
}
