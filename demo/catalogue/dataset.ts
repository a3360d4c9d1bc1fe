// The public data behind the demo: the npm package vega-datasets (movies.json: 3,201 films; zipcodes.csv: 42,049 US
// postal codes with coordinates). Its entry point loads nothing, so the files are read from beside it.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { csvParse } from "d3-dsv";

export interface PostalCode {
  readonly postalCode: string;
  readonly city: string;
  readonly state: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** As in the file: fields may be null, titles may be numbers, dates may be wrong. */
export interface FilmRecord {
  readonly Title: unknown;
  readonly Director: unknown;
  readonly "Major Genre": unknown;
  readonly "Creative Type": unknown;
  readonly "MPAA Rating": unknown;
  readonly "Release Date": unknown;
  readonly "Running Time min": unknown;
  readonly "IMDB Votes": unknown;
}

const dataFile = (name: string): Promise<string> => {
  const entry = createRequire(import.meta.url).resolve("vega-datasets");
  return readFile(join(dirname(entry), "..", "data", name), "utf8");
};

export async function readFilms(): Promise<FilmRecord[]> {
  return JSON.parse(await dataFile("movies.json")) as FilmRecord[];
}

export async function readPostalCodes(): Promise<PostalCode[]> {
  return csvParse(await dataFile("zipcodes.csv"), (row) => ({
    postalCode: row.zip_code ?? "",
    city: row.city ?? "",
    state: row.state ?? "",
    latitude: Number(row.latitude),
    longitude: Number(row.longitude),
  }));
}
