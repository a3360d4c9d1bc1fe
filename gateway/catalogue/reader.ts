// The catalogue's answers, rendered and kept for a second: what makes listing films as cheap as sending bytes.
// R1: prices, times and counts are at most FRESH_MS old. R2: what was changed through this gateway shows at once;
// through another, as soon as that is heard (others.ts).

import { assert } from "../../shared/kernel/assert.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Clock } from "../../shared/platform/clock.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { writeCursor } from "./cursor.ts";
import { FreshCache } from "./fresh-cache.ts";
import {
  type MoviesQuery,
  readCities,
  readMovies,
  readShow,
  readShowtimes,
  type ShowRecord,
  type ShowtimesQuery,
} from "./queries.ts";
import { type ReadyAnswer, render } from "./ready-answer.ts";

const FRESH_MS = 1_000;
const ANSWERS_MAX = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const SHOW_RECORDS_MAX = 20_000;
const SHOW_RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Some 25 short texts and a price by category. */
const SHOW_RECORD_BYTES = 2_000;

export interface CatalogueReaderOptions {
  readonly pool: Pool;
  readonly clock: Clock;
}

export class CatalogueReader {
  readonly #pool: Pool;
  readonly #answers: FreshCache<ReadyAnswer>;
  readonly #shows: FreshCache<ShowRecord>;

  constructor({ pool, clock }: CatalogueReaderOptions) {
    this.#pool = pool;
    this.#answers = new FreshCache({
      clock,
      freshMs: FRESH_MS,
      entriesMax: ANSWERS_MAX,
      bytesMax: ANSWER_BYTES_MAX,
      bytesOf: (answer) => answer.body.length,
    });
    this.#shows = new FreshCache({
      clock,
      freshMs: FRESH_MS,
      entriesMax: SHOW_RECORDS_MAX,
      bytesMax: SHOW_RECORD_BYTES_MAX,
      bytesOf: () => SHOW_RECORD_BYTES,
    });
  }

  cities(): Promise<ReadyAnswer> {
    return this.#list("cities", async () => render({ cities: await readCities(this.#pool) }));
  }

  movies(query: MoviesQuery): Promise<ReadyAnswer> {
    const { cityId, limit, after } = query;
    // Behind a cursor there is a page for every text a client can think of, and hardly two who ask for the same.
    if (after !== undefined) return this.#moviesPage(query);
    return this.#list(JSON.stringify(["movies", cityId, limit]), () => this.#moviesPage(query));
  }

  async #moviesPage(query: MoviesQuery): Promise<ReadyAnswer> {
    const { movies, next } = await readMovies(this.#pool, query);
    const nextCursor = next === undefined ? null : writeCursor(next);
    return render({ results: movies, next_cursor: nextCursor, did_you_mean: null });
  }

  /** `undefined`: there is no such movie. */
  showtimes(query: ShowtimesQuery): Promise<ReadyAnswer | undefined> {
    const { movieId, cityId, date } = query;
    return this.#answers.get(JSON.stringify(["showtimes", movieId, cityId, date]), async () => {
      const showtimes = await readShowtimes(this.#pool, query);
      return showtimes === undefined ? undefined : render(showtimes);
    });
  }

  /** The same object for as long as it is kept. `undefined`: there is no such show. */
  show(showId: ShowId): Promise<ShowRecord | undefined> {
    return this.#shows.get(showId, () => readShow(this.#pool, showId));
  }

  /** A list is there even when nothing is in it. */
  async #list(key: string, load: () => Promise<ReadyAnswer>): Promise<ReadyAnswer> {
    const answer = await this.#answers.get(key, load);
    assert(answer !== undefined, "a list has an answer");
    return answer;
  }

  /** After a change to the catalogue. */
  invalidate(): void {
    this.#answers.clear();
    this.#shows.clear();
  }
}
