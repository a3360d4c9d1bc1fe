// What a mail is about, read from the store when it is written: the booking's present, not what it was when the news
// was made. So a booking that was cancelled meanwhile never gets tickets that are void.

import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import { operationOf, showOf } from "../../shared/kernel/ids.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { oneLine } from "./plain-words.ts";

export interface BookingFacts {
  readonly id: BookingId;
  readonly status: string;
  /** Indices in the show's layout. */
  readonly seats: readonly number[];
  /** Minor units. */
  readonly total: number;
  readonly currency: string;
  /** Why it was cancelled. */
  readonly reason: string | undefined;
  /** What becomes of the money: a payment's state, or `none` where no payment gateway was needed. */
  readonly payment: string;
  readonly email: string;
}

interface BookingRow {
  readonly status: string;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly reason: string | null;
  readonly payment: string;
  readonly contact_email: string;
}

/** `undefined` where there is none, or its holder gave no address. */
export async function readBooking(pool: Pool, id: BookingId): Promise<BookingFacts | undefined> {
  const { rows } = await pool.query<BookingRow>({
    name: "mail_booking",
    text: `SELECT status, seats, total, currency, reason, contact_email,
             CASE WHEN payment ? 'reference' THEN payment->>'state' ELSE 'none' END AS payment
           FROM booking WHERE show_id = $1 AND id = $2 AND contact_email IS NOT NULL`,
    values: [showOf(id), operationOf(id)],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  const { contact_email: email, reason, ...rest } = row;
  return { ...rest, id, email, reason: reason ?? undefined };
}

/** Names are single lines. */
export interface ShowFacts {
  readonly showId: ShowId;
  readonly title: string;
  readonly cinema: string;
  readonly hall: string;
  readonly address: string;
  readonly timeZone: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly isCancelled: boolean;
  /** By index in the layout. */
  readonly labels: readonly string[];
}

interface ShowRow {
  readonly title: string;
  readonly cinema: string;
  readonly hall: string;
  readonly address: string;
  readonly postal_code: string;
  readonly city: string;
  readonly time_zone: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly cancelled: boolean;
  readonly labels: readonly string[];
}

export async function readShow(pool: Pool, showId: ShowId): Promise<ShowFacts | undefined> {
  const { rows } = await pool.query<ShowRow>({
    name: "mail_show",
    text: `SELECT m.title, c.name AS cinema, h.name AS hall, c.address, c.postal_code, t.name AS city, c.time_zone,
             s.starts_at, s.ends_at, s.cancelled, jsonb_path_query_array(l.plan, '$.seats[*].label') AS labels
           FROM show s JOIN movie m USING (movie_id) JOIN hall h USING (hall_id)
             JOIN cinema c ON c.cinema_id = s.cinema_id JOIN city t USING (city_id)
             JOIN layout l ON l.layout_id = s.layout_id
           WHERE s.show_id = $1`,
    values: [showId],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    showId,
    title: oneLine(row.title),
    cinema: oneLine(row.cinema),
    hall: oneLine(row.hall),
    address: oneLine(whereabouts(row)),
    timeZone: row.time_zone,
    startsAt: row.starts_at.getTime(),
    endsAt: row.ends_at.getTime(),
    isCancelled: row.cancelled,
    labels: row.labels,
  };
}

/** Some write postal code and city into the address, some do not. */
function whereabouts({ address, postal_code: postalCode, city }: ShowRow): string {
  const isWhole = postalCode === "" ? address.includes(city) : address.includes(postalCode);
  return [address, isWhole ? "" : `${postalCode} ${city}`].filter((part) => part.trim() !== "").join(", ");
}
