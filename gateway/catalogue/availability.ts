// How well a category of a show still sells, in the words of the API.

export const AVAILABILITIES = ["Available", "Almost Full", "Full"] as const;
export type Availability = (typeof AVAILABILITIES)[number];

/** Almost full: less than a tenth of the category is free. */
export function availabilityOf(free: number, total: number): Availability {
  if (free <= 0) return "Full";
  return free * 10 < total ? "Almost Full" : "Available";
}
