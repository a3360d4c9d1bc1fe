// The demo's films: well-known ones from the data whose every field is there and plausible.

import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";
import type { FilmRecord } from "./dataset.ts";

type Movie = WholeCatalogueInput["movies"][number];

export interface Film {
  readonly movie: Movie;
  readonly durationMin: number;
  readonly isForFamilies: boolean;
}

const FILMS = 64;
/** The data has films of 1987 and 2039 with other years' dates. */
const YEARS = { from: 1990, to: 2010 };
const VOTES_MIN = 80_000;

/** The data does not say where a film was made. These were not made in the United States. */
const MADE_ELSEWHERE = new Set([
  "Snatch",
  "Trainspotting",
  "Hot Fuzz",
  "28 Days Later...",
  "District 9",
  "Slumdog Millionaire",
  "The Pianist",
  "The Fifth Element",
  "Children of Men",
  "Casino Royale",
]);
/** The data calls it a thriller. */
const ODD = new Set(["Titanic"]);

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The best known first. */
export function chooseFilms(records: readonly FilmRecord[]): Film[] {
  const candidates: { readonly film: Film; readonly votes: number }[] = [];
  for (const record of records) {
    const film = filmOf(record);
    const votes = Number(record["IMDB Votes"]);
    if (film !== undefined && votes >= VOTES_MIN) candidates.push({ film, votes });
  }
  candidates.sort((a, b) => b.votes - a.votes);
  const ids = new Set<string>();
  const films = candidates
    .map(({ film }) => film)
    .filter(({ movie }) => !ids.has(movie.movie_id) && ids.add(movie.movie_id));
  return films.slice(0, FILMS);
}

function filmOf(record: FilmRecord): Film | undefined {
  const { Title: title, Director: director } = record;
  const genre = record["Major Genre"];
  const rating = record["MPAA Rating"];
  const type = record["Creative Type"];
  const durationMin = record["Running Time min"];
  const released = dateOf(record["Release Date"]);
  if (typeof title !== "string" || typeof director !== "string" || typeof genre !== "string") return undefined;
  if (typeof rating !== "string" || typeof type !== "string" || typeof durationMin !== "number") return undefined;
  if (released === undefined || !/^[\x20-\x7e]+$/.test(title + director)) return undefined;
  if (MADE_ELSEWHERE.has(title) || ODD.has(title)) return undefined;
  const [mainGenre = genre] = genre.split("/");
  const year = released.slice(0, 4);
  const movie: Movie = {
    movie_id: `${slug(title, 34)}-${year}`,
    title,
    description: `${mainGenre} (${type.toLowerCase()}) directed by ${director}, first released in ${year}. Rated ${rating}.`,
    duration_min: durationMin,
    genre: mainGenre,
    language: "English",
    release_date: released,
    country: "US",
  };
  return { movie, durationMin, isForFamilies: rating === "G" || rating === "PG" };
}

/** `Jun 12 1998` → `1998-06-12`; `undefined` for anything else. */
function dateOf(text: unknown): string | undefined {
  const [, monthName = "", day = "", year = ""] = /^([A-Z][a-z]{2}) (\d\d) (\d{4})$/.exec(String(text)) ?? [];
  const month = MONTHS.indexOf(monthName) + 1;
  if (month === 0 || Number(year) < YEARS.from || Number(year) > YEARS.to) return undefined;
  return `${year}-${String(month).padStart(2, "0")}-${day}`;
}

/** Lower case with dashes; cut at a dash when it is too long. */
export function slug(text: string, charactersMax: number): string {
  const words = text
    .toLowerCase()
    .replace(/['.]/g, "")
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  let result = "";
  for (const word of words) {
    const longer = result === "" ? word : `${result}-${word}`;
    if (longer.length > charactersMax) break;
    result = longer;
  }
  return result;
}
