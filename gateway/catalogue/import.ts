// Imports a catalogue document: all of it or nothing, in one transaction.
// I1: repeatable: it adds and updates, never deletes; the same document again writes nothing.
// I2: imports take turns, so that what one has checked still holds when it writes.
// I3: whoever sells must hear of `changedShows` after the commit (RefreshTerms); a show that is not loaded needs no word.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import { type CheckedCatalogue, checkCatalogue, type Issue, Issues, type Pause } from "./check.ts";
import { checkCinemas, loadKnown, resolveShows } from "./references.ts";
import {
  type Counts,
  changedLayouts,
  insertLayouts,
  inTransaction,
  lockCatalogue,
  upsertCinemas,
  upsertCities,
  upsertHalls,
  upsertMovies,
  upsertShows,
} from "./store.ts";

export interface Imported {
  readonly kind: "imported";
  readonly cities: Counts;
  readonly cinemas: Counts;
  readonly layouts: Counts;
  readonly halls: Counts;
  readonly movies: Counts;
  readonly shows: Counts;
  /** Shows that were there before and whose terms are now others. */
  readonly changedShows: readonly ShowId[];
}

/** Nothing was changed. At most ISSUES_MAX issues. */
export interface ImportRefused {
  readonly kind: "refused";
  readonly issues: readonly Issue[];
}

const noPause: Pause = async () => undefined;

/**
 * @param document as parsed from JSON; anything at all.
 * @param pause lets others have a turn between slices of work; a server gives one.
 */
export async function importCatalogue(
  pool: Pool,
  document: unknown,
  pause: Pause = noPause,
): Promise<Imported | ImportRefused> {
  const checked = await checkCatalogue(document, pause);
  if (checked.kind === "refused") return checked;
  return inTransaction(
    pool,
    (client) => importChecked(client, checked.catalogue, pause),
    (result) => result.kind === "imported",
  );
}

async function importChecked(
  client: PoolClient,
  catalogue: CheckedCatalogue,
  pause: Pause,
): Promise<Imported | ImportRefused> {
  await lockCatalogue(client);
  const issues = new Issues();
  const changed = new Set(await changedLayouts(client, catalogue.layouts));
  for (const [i, { layout_id }] of catalogue.layouts.entries()) {
    if (changed.has(layout_id))
      issues.add(
        ["layouts", i],
        `the layout ${layout_id} exists with another plan; layouts never change, use a new id`,
      );
  }
  const known = await loadKnown(client, catalogue);
  checkCinemas(catalogue.cinemas, known, issues);
  const rows = await resolveShows(catalogue.shows, known, issues, pause);
  if (issues.found.length > 0) return { kind: "refused", issues: issues.found };
  const cities = await upsertCities(client, catalogue.cities);
  const layouts = await insertLayouts(client, catalogue.layouts);
  const cinemas = await upsertCinemas(client, catalogue.cinemas);
  const halls = await upsertHalls(client, catalogue.cinemas);
  const movies = await upsertMovies(client, catalogue.movies);
  const { changed: changedShows, ...shows } = await upsertShows(client, rows);
  return { kind: "imported", cities, cinemas, layouts, halls, movies, shows, changedShows: changedShows as ShowId[] };
}
