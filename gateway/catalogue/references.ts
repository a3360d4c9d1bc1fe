// What a catalogue's items say about each other and about what the database already holds.
// R1: every reference resolves in the document or in the database.
// R2: a layout is immutable; a hall stays in its cinema; a show keeps its movie, its hall and the plan it was put on
//     sale with, also when the hall has since been given another plan.
// R3: a show is priced for exactly the categories of its plan.

import type { PoolClient } from "../../shared/platform/postgres.ts";
import { categoriesOf } from "../../shared/protocol/layout.ts";
import type { CheckedCatalogue, IdentifiedShow, Issues, Pause } from "./check.ts";
import { type CatalogueCinema, timeIssues } from "./document.ts";
import { instantMs, instantText, minuteMs } from "./times.ts";

interface KnownHall {
  readonly cinema_id: string;
  readonly layout_id: string;
}

interface KnownShow {
  readonly movie_id: string;
  readonly hall_id: string;
  readonly layout_id: string;
}

/** Everything a document's references can lead to; what the document says itself goes before what is stored. */
export interface Known {
  readonly cities: ReadonlySet<string>;
  readonly halls: ReadonlyMap<string, KnownHall>;
  readonly storedHalls: ReadonlyMap<string, KnownHall>;
  readonly categories: ReadonlyMap<string, readonly string[]>;
  readonly durationsMin: ReadonlyMap<string, number>;
  readonly storedShows: ReadonlyMap<string, KnownShow>;
}

/** A show as the table holds it; times are RFC 3339. */
export interface ShowRow {
  readonly show_id: string;
  readonly movie_id: string;
  readonly hall_id: string;
  readonly cinema_id: string;
  readonly layout_id: string;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly prices: Readonly<Record<string, number>>;
  readonly currency: string;
  readonly sales_cutoff: string;
  readonly hold_ttl_s: number | null;
  readonly grace_s: number | null;
  readonly offer_ttl_s: number | null;
  readonly waitlist_policy: string;
  readonly single_gap: string;
  readonly gated: boolean;
}

type Checkable = Pick<CheckedCatalogue, "cities" | "layouts" | "cinemas" | "movies" | "shows">;

const hallsOf = (cinemas: readonly CatalogueCinema[]) => cinemas.flatMap((cinema) => cinema.halls);

const distinct = (ids: Iterable<string>): string[] => [...new Set(ids)];

/** So that neither writing the question nor reading the answer takes more than some milliseconds at a time. */
const IDS_PER_QUERY = 2_000;

export async function loadKnown(client: PoolClient, catalogue: Checkable): Promise<Known> {
  const { cinemas, shows } = catalogue;
  const select = async <Row extends object>(sql: string, ids: Iterable<string>): Promise<Row[]> => {
    const wanted = distinct(ids);
    const found: Row[] = [];
    for (let from = 0; from < wanted.length; from += IDS_PER_QUERY) {
      const { rows } = await client.query<Row>(sql, [wanted.slice(from, from + IDS_PER_QUERY)]);
      for (const row of rows) found.push(row);
    }
    return found;
  };
  const cities = await select<{ city_id: string }>(
    "SELECT city_id FROM city WHERE city_id = ANY($1)",
    cinemas.map((cinema) => cinema.city_id),
  );
  const halls = await select<KnownHall & { hall_id: string }>(
    "SELECT hall_id, cinema_id, layout_id FROM hall WHERE hall_id = ANY($1)",
    [...hallsOf(cinemas).map((hall) => hall.hall_id), ...shows.map((show) => show.hall_id)],
  );
  const movies = await select<{ movie_id: string; duration_min: number }>(
    "SELECT movie_id, duration_min FROM movie WHERE movie_id = ANY($1)",
    shows.map((show) => show.movie_id),
  );
  const storedShows = await select<KnownShow & { show_id: string }>(
    "SELECT show_id, movie_id, hall_id, layout_id FROM show WHERE show_id = ANY($1)",
    shows.map((show) => show.show_id),
  );
  const layouts = await select<{ layout_id: string; categories: string[] }>(
    "SELECT layout_id, categories FROM layout WHERE layout_id = ANY($1)",
    [...hallsOf(cinemas), ...halls, ...storedShows].map(({ layout_id }) => layout_id),
  );
  return {
    cities: new Set([...cities, ...catalogue.cities].map((city) => city.city_id)),
    halls: new Map([
      ...halls.map((hall) => [hall.hall_id, hall] as const),
      ...cinemas.flatMap(({ cinema_id, halls: own }) =>
        own.map(({ hall_id, layout_id }) => [hall_id, { cinema_id, layout_id }] as const),
      ),
    ]),
    storedHalls: new Map(halls.map((hall) => [hall.hall_id, hall])),
    categories: new Map([
      ...layouts.map((layout) => [layout.layout_id, layout.categories] as const),
      ...catalogue.layouts.map((layout) => [layout.layout_id, categoriesOf(layout)] as const),
    ]),
    durationsMin: new Map([...movies, ...catalogue.movies].map((movie) => [movie.movie_id, movie.duration_min])),
    storedShows: new Map(storedShows.map((show) => [show.show_id, show])),
  };
}

export function checkCinemas(cinemas: readonly CatalogueCinema[], known: Known, issues: Issues): void {
  for (const [i, cinema] of cinemas.entries()) {
    if (!known.cities.has(cinema.city_id)) issues.add(["cinemas", i, "city_id"], "there is no such city");
    for (const [j, hall] of cinema.halls.entries()) {
      const path = ["cinemas", i, "halls", j];
      const stored = known.storedHalls.get(hall.hall_id);
      if (stored !== undefined && stored.cinema_id !== cinema.cinema_id)
        issues.add([...path, "hall_id"], `is a hall of the cinema ${stored.cinema_id}; a hall does not move`);
      if (!known.categories.has(hall.layout_id)) issues.add([...path, "layout_id"], "there is no such layout");
    }
  }
}

const SHOWS_PER_TURN = 2_000;

/** The rows of the shows that pass. */
export async function resolveShows(
  shows: readonly IdentifiedShow[],
  known: Known,
  issues: Issues,
  pause: Pause,
): Promise<ShowRow[]> {
  const rows: ShowRow[] = [];
  for (const [i, show] of shows.entries()) {
    if (issues.full) break;
    if (i % SHOWS_PER_TURN === SHOWS_PER_TURN - 1) await pause();
    const row = resolveShow(show, ["shows", i], known, issues);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

export function resolveShow(
  show: IdentifiedShow,
  path: readonly PropertyKey[],
  known: Known,
  issues: Issues,
): ShowRow | undefined {
  const hall = known.halls.get(show.hall_id);
  const durationMin = known.durationsMin.get(show.movie_id);
  if (hall === undefined) issues.add([...path, "hall_id"], "there is no such hall");
  if (durationMin === undefined) issues.add([...path, "movie_id"], "there is no such movie");
  if (hall === undefined || durationMin === undefined) return undefined;
  const stored = known.storedShows.get(show.show_id);
  if (stored !== undefined && stored.hall_id !== show.hall_id) {
    issues.add([...path, "hall_id"], `is ${stored.hall_id} since the show was made; make another show instead`);
    return undefined;
  }
  if (stored !== undefined && stored.movie_id !== show.movie_id)
    issues.add([...path, "movie_id"], `is ${stored.movie_id} since the show was made; make another show instead`);
  const layoutId = stored?.layout_id ?? hall.layout_id;
  checkPrices(show.prices, { layoutId, known, path: [...path, "prices"], issues });
  const startsAt = instantMs(show.starts_at);
  const endsAt = show.ends_at === undefined ? startsAt + durationMin * minuteMs : instantMs(show.ends_at);
  const salesCutoff = show.sales_cutoff === undefined ? startsAt : instantMs(show.sales_cutoff);
  for (const issue of timeIssues({ startsAt, endsAt, salesCutoff }))
    issues.add([...path, ...issue.path], issue.message);
  return {
    show_id: show.show_id,
    movie_id: show.movie_id,
    hall_id: show.hall_id,
    cinema_id: hall.cinema_id,
    layout_id: layoutId,
    starts_at: instantText(startsAt),
    ends_at: instantText(endsAt),
    prices: show.prices,
    currency: show.currency,
    sales_cutoff: instantText(salesCutoff),
    hold_ttl_s: show.hold_ttl_s ?? null,
    grace_s: show.grace_s ?? null,
    offer_ttl_s: show.offer_ttl_s ?? null,
    waitlist_policy: show.waitlist_policy,
    single_gap: show.single_gap,
    gated: show.gated,
  };
}

interface PriceContext {
  readonly layoutId: string;
  readonly known: Pick<Known, "categories">;
  readonly path: readonly PropertyKey[];
  readonly issues: Issues;
}

/** Says nothing when the layout itself is unknown: that is the hall's issue. */
export function checkPrices(prices: Readonly<Record<string, number>>, context: PriceContext): void {
  const { layoutId, known, path, issues } = context;
  const categories = known.categories.get(layoutId);
  if (categories === undefined) return;
  for (const category of categories) {
    if (!Object.hasOwn(prices, category))
      issues.add([...path, category], `is missing: the layout ${layoutId} has this category`);
  }
  for (const category of Object.keys(prices)) {
    if (!categories.includes(category)) issues.add([...path, category], `the layout ${layoutId} has no such category`);
  }
}
