// The demo's cities and cinemas: real cities, each cinema at a real postal code and its coordinates. The names and
// street addresses are invented.

import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";
import type { PostalCode } from "./dataset.ts";
import { slug } from "./films.ts";
import { noiseBetween, pick, shuffled } from "./noise.ts";

type City = WholeCatalogueInput["cities"][number];
type Cinema = WholeCatalogueInput["cinemas"][number];

/** Name and state as in the data, time zone, how many cinemas. A state's zone is not always its city's. */
const CITIES: readonly (readonly [name: string, state: string, timeZone: string, cinemas: number])[] = [
  ["New York", "NY", "America/New_York", 8],
  ["Los Angeles", "CA", "America/Los_Angeles", 8],
  ["Chicago", "IL", "America/Chicago", 7],
  ["Houston", "TX", "America/Chicago", 7],
  ["Philadelphia", "PA", "America/New_York", 6],
  ["Phoenix", "AZ", "America/Phoenix", 6],
  ["San Antonio", "TX", "America/Chicago", 6],
  ["San Diego", "CA", "America/Los_Angeles", 6],
  ["Dallas", "TX", "America/Chicago", 6],
  ["San Francisco", "CA", "America/Los_Angeles", 5],
  ["Washington", "DC", "America/New_York", 5],
  ["Seattle", "WA", "America/Los_Angeles", 5],
  ["Boston", "MA", "America/New_York", 5],
  ["Denver", "CO", "America/Denver", 5],
  ["Atlanta", "GA", "America/New_York", 5],
  ["Miami", "FL", "America/New_York", 5],
  ["Austin", "TX", "America/Chicago", 5],
  ["Detroit", "MI", "America/Detroit", 5],
  ["Minneapolis", "MN", "America/Chicago", 5],
  ["Portland", "OR", "America/Los_Angeles", 5],
  ["San Jose", "CA", "America/Los_Angeles", 4],
  ["Jacksonville", "FL", "America/New_York", 4],
  ["Fort Worth", "TX", "America/Chicago", 4],
  ["Columbus", "OH", "America/New_York", 4],
  ["Charlotte", "NC", "America/New_York", 4],
  ["Indianapolis", "IN", "America/Indiana/Indianapolis", 4],
  ["El Paso", "TX", "America/Denver", 4],
  ["Nashville", "TN", "America/Chicago", 4],
  ["Oklahoma City", "OK", "America/Chicago", 4],
  ["Las Vegas", "NV", "America/Los_Angeles", 4],
  ["Louisville", "KY", "America/Kentucky/Louisville", 4],
  ["Baltimore", "MD", "America/New_York", 4],
  ["Milwaukee", "WI", "America/Chicago", 4],
  ["Albuquerque", "NM", "America/Denver", 4],
  ["Tucson", "AZ", "America/Phoenix", 4],
  ["Fresno", "CA", "America/Los_Angeles", 4],
  ["Sacramento", "CA", "America/Los_Angeles", 4],
  ["Kansas City", "MO", "America/Chicago", 4],
  ["Omaha", "NE", "America/Chicago", 4],
  ["Raleigh", "NC", "America/New_York", 4],
  ["Memphis", "TN", "America/Chicago", 4],
  ["New Orleans", "LA", "America/Chicago", 4],
  ["Cleveland", "OH", "America/New_York", 4],
  ["Tampa", "FL", "America/New_York", 4],
  ["Pittsburgh", "PA", "America/New_York", 4],
  ["Cincinnati", "OH", "America/New_York", 4],
  ["Saint Louis", "MO", "America/Chicago", 4],
  ["Salt Lake City", "UT", "America/Denver", 4],
  ["Boise", "ID", "America/Boise", 3],
  ["Honolulu", "HI", "Pacific/Honolulu", 3],
  ["Anchorage", "AK", "America/Anchorage", 3],
];

const NAMES = [
  "Rialto",
  "Bijou",
  "Majestic",
  "Orpheum",
  "Roxy",
  "Tivoli",
  "Palace",
  "Regent",
  "Lyric",
  "Strand",
  "Avalon",
  "Odeon",
];
const STREETS = [
  "Main Street",
  "Oak Street",
  "Market Street",
  "Park Avenue",
  "Washington Avenue",
  "Lake Street",
  "Maple Avenue",
  "Union Street",
  "Center Street",
  "Grand Avenue",
];

/** The data has a few postal codes far from their city; a cinema is within this distance of its middle. */
const RADIUS_KM = 25;

export interface DemoCinema extends Omit<Cinema, "halls"> {
  /** 0 for the city's first, which is its largest. */
  readonly rank: number;
}

export interface DemoCities {
  readonly cities: readonly City[];
  readonly cinemas: readonly DemoCinema[];
}

export function chooseCities(postalCodes: readonly PostalCode[]): DemoCities {
  const byCity = new Map<string, PostalCode[]>();
  for (const code of postalCodes) {
    const key = `${code.city}, ${code.state}`;
    const codes = byCity.get(key);
    if (codes === undefined) byCity.set(key, [code]);
    else codes.push(code);
  }
  const cities: City[] = [];
  const cinemas: DemoCinema[] = [];
  for (const [name, state, timeZone, count] of CITIES) {
    const cityId = `${slug(name, 24)}-${state.toLowerCase()}`;
    cities.push({ city_id: cityId, name, state, country: "US" });
    const places = spread(byCity.get(`${name}, ${state}`) ?? [], count);
    const names = shuffled(NAMES, cityId);
    for (const [rank, place] of places.entries()) {
      const cinema = names[rank] ?? `Cinema ${rank + 1}`;
      const number = noiseBetween(1, 9_800, cityId, rank);
      cinemas.push({
        cinema_id: `${slug(name, 24)}-${slug(cinema, 10)}`,
        city_id: cityId,
        name: `${cinema} ${name}`,
        address: `${number} ${pick(STREETS, cityId, "street", rank)}, ${name}, ${state} ${place.postalCode}`,
        postal_code: place.postalCode,
        latitude: place.latitude,
        longitude: place.longitude,
        time_zone: timeZone,
        rank,
      });
    }
  }
  return { cities, cinemas };
}

/** The place in the middle, then each time the one farthest from all that were chosen. */
function spread(codes: readonly PostalCode[], count: number): PostalCode[] {
  const middle = {
    latitude: median(codes.map((code) => code.latitude)),
    longitude: median(codes.map((code) => code.longitude)),
  };
  const places = distinctPlaces(codes).filter((code) => distanceKm(code, middle) <= RADIUS_KM);
  const nearest = places.reduce<PostalCode | undefined>(
    (best, code) => (best === undefined || distanceKm(code, middle) < distanceKm(best, middle) ? code : best),
    undefined,
  );
  const chosen = nearest === undefined ? [] : [nearest];
  while (chosen.length < Math.min(count, places.length)) {
    const distances = places.map((code) => Math.min(...chosen.map((other) => distanceKm(code, other))));
    chosen.push(places[distances.indexOf(Math.max(...distances))] as PostalCode);
  }
  return chosen;
}

/** Post office boxes share their coordinates: one postal code a place. */
function distinctPlaces(codes: readonly PostalCode[]): PostalCode[] {
  const places = new Map<string, PostalCode>();
  for (const code of codes) {
    const key = `${code.latitude},${code.longitude}`;
    if (!places.has(key)) places.set(key, code);
  }
  return [...places.values()];
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

const KM_PER_DEGREE = 111.2;

/** Flat: good enough within a city. */
function distanceKm(a: Place, b: Place): number {
  const north = (a.latitude - b.latitude) * KM_PER_DEGREE;
  const east = (a.longitude - b.longitude) * KM_PER_DEGREE * Math.cos((a.latitude * Math.PI) / 180);
  return Math.hypot(north, east);
}
