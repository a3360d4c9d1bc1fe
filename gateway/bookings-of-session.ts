// A session's bookings, straight from the table: a page at a time, newest first. Read without asking any show, so a
// hold past its deadline may still read `held` until its show's next turn.
// G1: a page's cursor is the place of its last row, not an offset: bookings made meanwhile shift nothing.

import type { BookingId, SessionId, ShowId } from "../shared/kernel/ids.ts";
import { showOf } from "../shared/kernel/ids.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import type { BookingStatus, BookingView, TicketUse } from "../shared/protocol/reply.ts";

export interface BookingCursor {
  readonly createdAt: number;
  readonly bookingId: string;
}

export interface BookingsPage {
  readonly bookings: readonly BookingView[];
  readonly next: BookingCursor | undefined;
}

/** As `booking` is defined in shared/schema; the pool reads int8 as numbers. */
interface BookingRow {
  readonly show_id: string;
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly seats: number[];
  readonly total: number;
  readonly currency: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly booked_at: number | null;
  readonly reason: string | null;
  readonly used: readonly TicketUse[] | null;
}

// While it is paid for, a booking runs out with its payment, not with its hold: as its show would say.
const PAGE = `
  SELECT show_id, id, status, version, seats, total, currency, created_at, booked_at, reason, used,
    CASE WHEN status = 'paying' THEN COALESCE((payment->>'deadlineAt')::bigint, expires_at) ELSE expires_at END AS expires_at
  FROM booking
  WHERE session = $1 AND ($2::bigint IS NULL OR (created_at, show_id || '.' || id) < ($2::bigint, $3::text))
  ORDER BY created_at DESC, show_id || '.' || id DESC
  LIMIT $4`;

export async function bookingsOfSession(
  pool: Pool,
  session: SessionId,
  after: BookingCursor | undefined,
  limit: number,
): Promise<BookingsPage> {
  const values = [session, after?.createdAt ?? null, after?.bookingId ?? null, limit + 1];
  const { rows } = await pool.query<BookingRow>({ name: "bookings-of-session", text: PAGE, values });
  const bookings = rows.slice(0, limit).map((row) => viewOf(row, session));
  const last = bookings.at(-1);
  const next =
    rows.length > limit && last !== undefined ? { createdAt: last.createdAt, bookingId: last.id } : undefined;
  return { bookings, next };
}

function viewOf(row: BookingRow, session: SessionId): BookingView {
  return {
    id: `${row.show_id}.${row.id}` as BookingId,
    showId: row.show_id as ShowId,
    session,
    status: row.status as BookingStatus,
    version: row.version,
    seats: row.seats,
    total: row.total,
    currency: row.currency,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    bookedAt: row.booked_at ?? undefined,
    reason: row.reason ?? undefined,
    used: row.used ?? undefined,
  };
}

export const cursorText = (cursor: BookingCursor): string =>
  Buffer.from(`${cursor.createdAt}:${cursor.bookingId}`).toString("base64url");

const CURSOR = /^(\d{1,15}):(.+)$/;

/** `undefined` when the text is no cursor of ours. */
export function readCursor(text: string): BookingCursor | undefined {
  const [, createdAt, bookingId] = CURSOR.exec(Buffer.from(text, "base64url").toString("utf8")) ?? [];
  if (createdAt === undefined || bookingId === undefined || showOf(bookingId) === undefined) return undefined;
  return { createdAt: Number(createdAt), bookingId };
}
