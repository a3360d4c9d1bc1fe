// The demo catalogue: made from public data, so that `npm start` comes alive with something to book.
// G1: the same start date gives the same document. G2: generated for a later date it adds days, and changes nothing that
//     was there, but for DEMO_SHOW_ID, which moves to the next New Year's Eve.

import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";
import { dayMs, instantText, localInstantMs, utcDate } from "../../gateway/catalogue/times.ts";
import { chooseCities, type DemoCinema } from "./cities.ts";
import { readFilms, readPostalCodes } from "./dataset.ts";
import { chooseFilms, type Film } from "./films.ts";
import { demoLayouts } from "./halls.ts";
import { noiseBetween } from "./noise.ts";
import { type DemoHall, type DemoShow, datesFrom, dayOf, pricesFor } from "./schedule.ts";

/** The show that the documentation's examples book: a gala on New Year's Eve in the largest hall of all. */
export const DEMO_SHOW_ID = "demo-0001";

export interface DemoCatalogueOptions {
  /** First day, `2026-01-31`; shows are at local times of their cinemas. */
  readonly startsOn: string;
  /** 8 unless said: today, part of which is over, and the next seven. */
  readonly days?: number;
}

const DAYS = 8;
const GALA_MIN = 20 * 60;
/** On sale at least so long before it takes place. */
const GALA_AHEAD_DAYS = 7;

interface HallPlace extends DemoHall {
  readonly name: string;
  readonly layoutId: string;
  readonly cinemaId: string;
}

export async function generateDemoCatalogue(options: DemoCatalogueOptions): Promise<WholeCatalogueInput> {
  const [filmRecords, postalCodes] = await Promise.all([readFilms(), readPostalCodes()]);
  const films = chooseFilms(filmRecords);
  const { cities, cinemas } = chooseCities(postalCodes);
  const layouts = demoLayouts();
  const layoutIds = layouts.map((layout) => layout.layout_id);
  const halls = new Map(cinemas.map((cinema) => [cinema.cinema_id, hallsOf(cinema, layoutIds)]));
  const gala = galaOf([...halls.values()].flat(), films, options.startsOn);
  const shows = datesFrom(options.startsOn, options.days ?? DAYS).flatMap((date) =>
    [...halls.values()].flat().flatMap((hall) => (isTaken(hall, date, gala) ? [] : dayOf(hall, date, films))),
  );
  return {
    cities: [...cities],
    layouts,
    cinemas: cinemas.map(({ rank: _, ...cinema }) => ({
      ...cinema,
      halls: (halls.get(cinema.cinema_id) ?? []).map(({ hallId, name, layoutId }) => {
        return { hall_id: hallId, name, layout_id: layoutId };
      }),
    })),
    movies: films.map((film) => film.movie),
    shows: [gala, ...shows],
  };
}

/** A city's first cinema has the large halls, the others have what is left. @param layoutIds from small to large. */
function hallsOf(cinema: DemoCinema, layoutIds: readonly string[]): HallPlace[] {
  const count = cinema.rank === 0 ? 3 : noiseBetween(1, 2, cinema.cinema_id, "halls");
  const largest = cinema.rank === 0 ? layoutIds.length - 1 : noiseBetween(2, layoutIds.length - 2, cinema.cinema_id);
  return Array.from({ length: count }, (_, rank) => ({
    hallId: `${cinema.cinema_id}-${rank + 1}`,
    name: `Hall ${rank + 1}`,
    cinemaId: cinema.cinema_id,
    cityId: cinema.city_id,
    timeZone: cinema.time_zone,
    rank,
    layoutId: layoutIds[Math.max(0, largest - rank * noiseBetween(1, 3, cinema.cinema_id, "step"))] ?? "",
  }));
}

function galaOf(halls: readonly HallPlace[], films: readonly Film[], startsOn: string): DemoShow {
  const [hall] = halls;
  const [film] = films;
  if (hall === undefined || film === undefined) throw new Error("the demo's data has no cities or no films");
  const year = utcDate(Date.parse(`${startsOn}T00:00:00Z`) + GALA_AHEAD_DAYS * dayMs).slice(0, 4);
  return {
    show_id: DEMO_SHOW_ID,
    movie_id: film.movie.movie_id,
    hall_id: hall.hallId,
    starts_at: instantText(localInstantMs(`${year}-12-31`, GALA_MIN, hall.timeZone)),
    prices: pricesFor(hall.cityId, GALA_MIN, true),
    currency: "USD",
  };
}

/** The gala has its hall to itself. */
const isTaken = (hall: HallPlace, date: string, gala: DemoShow): boolean =>
  hall.hallId === gala.hall_id && gala.starts_at.slice(0, 4) <= date.slice(0, 4) && date.endsWith("-12-31");
