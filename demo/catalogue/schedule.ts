// What the demo's halls show on a day, when, and for how much. Depends on the hall and the date alone, never on when
// the demo was generated: generated again on another day it adds days and leaves the others as they were.

import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";
import { dayMs, instantText, localInstantMs, minuteMs, utcDate } from "../../gateway/catalogue/times.ts";
import type { Film } from "./films.ts";
import { noise, noiseBetween, pick } from "./noise.ts";

export type DemoShow = WholeCatalogueInput["shows"][number];

export interface DemoHall {
  readonly hallId: string;
  readonly cityId: string;
  readonly timeZone: string;
  /** 0 for the cinema's largest. */
  readonly rank: number;
}

const NOON_MIN = 12 * 60;
/** When a hall opens, minutes after midnight: on weekdays people work. */
const OPENS = { weekday: [14 * 60, 16 * 60], weekend: [10 * 60 + 15, 11 * 60 + 45] } as const;
const LAST_START = { weekday: 22 * 60, weekend: 22 * 60 + 45 } as const;
const MATINEE_UNTIL_MIN = 17 * 60;
const FAMILY_UNTIL_MIN = 16 * 60 + 30;
/** Advertisements before, cleaning after. */
const TURNAROUND_MIN = 30;
const GRID_MIN = 5;

/** Cents. */
const PRICES = {
  base: [11_00, 14_50],
  matinee: -3_00,
  weekendEvening: 1_50,
  premium: 3_50,
  recliner: 7_00,
  step: 50,
} as const;

/** `2026-01-31` and the days after it. */
export const datesFrom = (startsOn: string, days: number): string[] =>
  Array.from({ length: days }, (_, i) => utcDate(Date.parse(`${startsOn}T00:00:00Z`) + i * dayMs));

const isWeekend = (date: string): boolean => [0, 5, 6].includes(new Date(`${date}T00:00:00Z`).getUTCDay());

const upToGrid = (minutes: number): number => Math.ceil(minutes / GRID_MIN) * GRID_MIN;

/** @param films the best known first: they are shown more often, and in the largest halls most of all. */
export function dayOf(hall: DemoHall, date: string, films: readonly Film[]): DemoShow[] {
  const kind = isWeekend(date) ? "weekend" : "weekday";
  const [opensFrom, opensTo] = OPENS[kind];
  // Clocks change at night, so noon fixes the whole day's offset.
  const noon = localInstantMs(date, NOON_MIN, hall.timeZone);
  const week = Math.floor(Date.parse(`${date}T00:00:00Z`) / (7 * dayMs));
  const shows: DemoShow[] = [];
  let minutes = upToGrid(noiseBetween(opensFrom, opensTo, hall.hallId, date));
  while (minutes <= LAST_START[kind]) {
    const film = filmFor(hall, { week, minutes, films });
    shows.push({
      show_id: `${hall.hallId}-${date.slice(2).replaceAll("-", "")}-${shows.length + 1}`,
      movie_id: film.movie.movie_id,
      hall_id: hall.hallId,
      starts_at: instantText(noon + (minutes - NOON_MIN) * minuteMs),
      prices: pricesFor(hall.cityId, minutes, kind === "weekend"),
      currency: "USD",
    });
    minutes = upToGrid(minutes + film.durationMin + TURNAROUND_MIN);
  }
  return shows;
}

interface Slot {
  readonly week: number;
  readonly minutes: number;
  readonly films: readonly Film[];
}

/** A hall has a main film for the week, another late at night on some, and one for families early in the day. */
function filmFor(hall: DemoHall, { week, minutes, films }: Slot): Film {
  if (minutes < FAMILY_UNTIL_MIN && noise(hall.hallId, week, "family") < 0.5) {
    return pick(
      films.filter((film) => film.isForFamilies),
      hall.hallId,
      week,
      "family film",
    );
  }
  // The square and the cube of an even draw: the best known films are drawn more often.
  const skew = hall.rank === 0 ? 2 : 1.3;
  const turn = minutes < 20 * 60 ? "main" : "late";
  return films[Math.floor(noise(hall.hallId, week, turn) ** skew * films.length)] ?? pick(films, hall.hallId);
}

export function pricesFor(cityId: string, minutes: number, weekend: boolean): Record<string, number> {
  const [low, high] = PRICES.base;
  const base = Math.round((low + noise(cityId, "price") * (high - low)) / PRICES.step) * PRICES.step;
  const isMatinee = minutes < MATINEE_UNTIL_MIN;
  const standard = base + (isMatinee ? PRICES.matinee : weekend ? PRICES.weekendEvening : 0);
  return { standard, premium: standard + PRICES.premium, recliner: standard + PRICES.recliner };
}
