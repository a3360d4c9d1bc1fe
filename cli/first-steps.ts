// What a person reads when everything runs: an address, and a booking to copy into a shell. sed and not jq: it is there.

import type { Pool } from "../shared/platform/postgres.ts";

/** A show that can be booked now: the demo's own example if it is there. */
export async function showToBook(pool: Pool, preferred: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ show_id: string }>(
    `SELECT show_id FROM show WHERE sales_cutoff > now() + interval '1 hour' AND NOT cancelled AND NOT gated
     ORDER BY show_id <> $1, starts_at LIMIT 1`,
    [preferred],
  );
  return rows[0]?.show_id;
}

export function firstSteps(url: string, showId: string | undefined): string[] {
  if (showId === undefined) return [`Documentation: ${url}/docs`];
  const field = (name: string): string => `sed 's/.*"${name}":"\\([^"]*\\)".*/\\1/'`;
  const post = (path: string, key: string, body: string): string =>
    `curl -s -w '\\n' ${url}${path} -H "Authorization: Bearer $TOKEN" -H "X-Idempotency-Key: ${key}" \\\n` +
    `    -H "Content-Type: application/json" -d ${body}`;
  return [
    "",
    "Book two seats:",
    "",
    `  TOKEN=$(curl -s -X POST ${url}/v1/sessions | ${field("token")})`,
    `  curl -s -w '\\n' ${url}/v1/shows/${showId}`,
    `  LOCK=$(${post("/v1/bookings/lock", "lock-1", `'{"showtime_id":"${showId}","quantity":2}'`)} | ${field("lock_id")})`,
    `  ${post("/v1/bookings/confirm", "confirm-1", `'{"lock_id":"'$LOCK'","payment_token":"pm_card_visa"}'`)}`,
    "",
    `Documentation: ${url}/docs`,
    "",
  ];
}
