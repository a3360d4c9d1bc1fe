// From labels to indices, with a problem that names each seat which does not exist or was named twice.

import { type FieldError, invalid, type Problem } from "../http/problem.ts";
import type { HallSeats } from "../show-lookup.ts";

export type ResolvedSeats = { readonly seats: readonly number[] } | { readonly problem: Problem };

export function resolveSeats(hall: HallSeats, labels: readonly string[], field: string): ResolvedSeats {
  const seats: number[] = [];
  const errors: FieldError[] = [];
  const wrong = new Set<string>();
  for (const [index, label] of labels.entries()) {
    const seat = hall.seatOf(label);
    // Ten seats at most on the hot path: a scan is cheaper than a Set. Halls to block are a few hundred.
    if (seat !== undefined && !seats.includes(seat)) {
      seats.push(seat);
      continue;
    }
    const message = seat === undefined ? `there is no seat ${label} in this show` : `${label} is named twice`;
    errors.push({ field: `${field}.${index}`, message });
    wrong.add(label);
  }
  return errors.length === 0 ? { seats } : { problem: { ...invalid(errors), seats: [...wrong] } };
}
