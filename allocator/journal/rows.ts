// Rows of the store back into the core's shapes.

import { bookingIdOf, type OperationId, type SessionId, type ShowId, waiterIdOf } from "../../shared/kernel/ids.ts";
import type { BookingStatus, TicketUse, WaiterStatus } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import type { Offer, Waiter } from "../../waitlist/core/waiter.ts";
import type { Booking, OperationRecord, Payment } from "../core/state.ts";

export interface BookingRow {
  readonly show_id: string;
  readonly id: string;
  readonly session: string;
  readonly status: string;
  readonly version: number;
  readonly seats: readonly number[];
  readonly total: number;
  readonly currency: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly grace_ms: number;
  readonly line_ms: number;
  readonly booked_at: number | null;
  readonly reason: string | null;
  readonly extended: boolean;
  readonly request_hash: number;
  readonly payment: Payment | null;
  readonly contact_email: string | null;
  readonly used: readonly TicketUse[] | null;
}

export const BOOKING_COLUMNS = `show_id, id, session, status, version, seats, total, currency, created_at, expires_at,
  grace_ms, line_ms, booked_at, reason, extended, request_hash, payment, contact_email, used`;

export function bookingFrom(row: BookingRow): Booking {
  return {
    id: bookingIdOf(row.show_id as ShowId, row.id as OperationId),
    session: row.session as SessionId,
    status: row.status as BookingStatus,
    version: row.version,
    seats: row.seats,
    total: row.total,
    currency: row.currency,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    graceMs: row.grace_ms,
    lineMs: row.line_ms,
    extended: row.extended,
    requestHash: row.request_hash,
    payment: row.payment ?? undefined,
    bookedAt: row.booked_at ?? undefined,
    reason: row.reason ?? undefined,
    contactEmail: row.contact_email ?? undefined,
    used: row.used ?? undefined,
  };
}

export interface WaiterRow {
  readonly show_id: string;
  readonly id: string;
  readonly place: number;
  readonly session: string;
  readonly quantity: number;
  readonly categories: readonly number[];
  readonly accessible: boolean;
  readonly contiguous: boolean;
  readonly status: string;
  readonly version: number;
  readonly joined_at: number;
  readonly expires_at: number;
  readonly ended_at: number | null;
  readonly request_hash: number;
  readonly offer: Offer | null;
  readonly hold_id: string | null;
}

export const WAITER_COLUMNS = `show_id, id, place, session, quantity, categories, accessible, contiguous, status, version,
  joined_at, expires_at, ended_at, request_hash, offer, hold_id`;

export function waiterFrom(row: WaiterRow): Waiter {
  const showId = row.show_id as ShowId;
  return {
    id: waiterIdOf(showId, row.id as OperationId),
    session: row.session as SessionId,
    place: row.place,
    quantity: row.quantity,
    categories: row.categories,
    accessible: row.accessible,
    contiguous: row.contiguous,
    status: row.status as WaiterStatus,
    version: row.version,
    joinedAt: row.joined_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at ?? undefined,
    requestHash: row.request_hash,
    offer: row.offer ?? undefined,
    holdId: row.hold_id === null ? undefined : bookingIdOf(showId, row.hold_id as OperationId),
  };
}

export interface OperationRow {
  readonly id: string;
  readonly request_hash: number;
  readonly at: number;
  readonly result: string;
}

export function operationFrom(row: OperationRow): OperationRecord {
  return {
    id: row.id as OperationId,
    requestHash: row.request_hash,
    at: row.at,
    subject: (row.result.startsWith("[") ? JSON.parse(row.result) : row.result) as OperationRecord["subject"],
  };
}

/** A row of the catalogue's `show` with its layout's categories; times in milliseconds. */
export interface TermsRow {
  readonly show_id: string;
  readonly layout_id: string;
  readonly categories: readonly string[];
  readonly prices: Readonly<Record<string, number>>;
  readonly currency: string;
  readonly starts_at: number;
  readonly sales_cutoff: number;
  readonly hold_ttl_s: number | null;
  readonly grace_s: number | null;
  readonly offer_ttl_s: number | null;
  readonly waitlist_policy: ShowTerms["waitlistPolicy"];
  readonly single_gap: ShowTerms["singleGap"];
  readonly gated: boolean;
  readonly cancelled: boolean;
}

export const TERMS_QUERY = `
  SELECT s.show_id, s.layout_id, l.categories, s.prices, s.currency,
    (extract(epoch FROM s.starts_at) * 1000)::bigint AS starts_at,
    (extract(epoch FROM s.sales_cutoff) * 1000)::bigint AS sales_cutoff,
    s.hold_ttl_s, s.grace_s, s.offer_ttl_s, s.waitlist_policy, s.single_gap, s.gated, s.cancelled
  FROM show s JOIN layout l USING (layout_id) WHERE s.show_id = ANY($1)`;

/** What a show gets whose catalogue entry does not say. */
export interface TermDefaults {
  readonly holdTtlMs: number;
  readonly graceMs: number;
  readonly offerTtlMs: number;
}

const ms = (seconds: number | null, otherwise: number): number => (seconds === null ? otherwise : seconds * 1000);

export function termsFrom(row: TermsRow, defaults: TermDefaults): ShowTerms {
  return {
    prices: row.categories.map((category) => row.prices[category] ?? 0),
    currency: row.currency,
    startsAt: row.starts_at,
    salesCutoffAt: row.sales_cutoff,
    holdTtlMs: ms(row.hold_ttl_s, defaults.holdTtlMs),
    graceMs: ms(row.grace_s, defaults.graceMs),
    offerTtlMs: ms(row.offer_ttl_s, defaults.offerTtlMs),
    waitlistPolicy: row.waitlist_policy,
    singleGap: row.single_gap,
    gated: row.gated,
    cancelled: row.cancelled,
  };
}
