// The relay's store on Postgres: `cell` has the shows' state, their log and the cursors, `catalogue` the layouts.
// Q1: every method is one statement. Look-ups go by primary key whatever the planner believes, and a sweep by pages of
//     keys: it takes a commit's time nowhere.

import {
  type BookingId,
  bookingIdOf,
  type OperationId,
  operationOf,
  type SessionId,
  type ShowId,
  type WaiterId,
  waiterIdOf,
} from "../../shared/kernel/ids.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import type { ShowEvent } from "../core/event.ts";
import type { LogTurn } from "../journal/journal.ts";
import type { Facts } from "./news-of.ts";
import type { LagPage, NewsStore, ShowCursor } from "./news-store.ts";

const CURSOR = "SELECT c.seq FROM news_cursor c WHERE c.sink = $1 AND c.show_id";

export class PostgresNewsStore implements NewsStore {
  readonly #cell: Pool;
  readonly #catalogue: Pool;

  constructor({ cell, catalogue }: { readonly cell: Pool; readonly catalogue: Pool }) {
    this.#cell = cell;
    this.#catalogue = catalogue;
  }

  /** One snapshot for the sink and all its cursors: whatever show is not in it is opened later, and told from its start. */
  async register(sink: string, heirTo: readonly string[] = []): Promise<void> {
    await this.#cell.query(
      `WITH s AS (INSERT INTO news_sink (name, since) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING name),
       h AS MATERIALIZED (SELECT name FROM news_sink WHERE name = ANY($2::text[]) AND name <> $1)
       INSERT INTO news_cursor (sink, show_id, seq)
       SELECT s.name, l.show_id, LEAST(l.seq, (
         SELECT min(COALESCE((SELECT c.seq FROM news_cursor c WHERE c.sink = h.name AND c.show_id = l.show_id), 0)) FROM h))
       FROM show_lease l CROSS JOIN s`,
      [sink, heirTo],
    );
  }

  async cursors(sink: string, showIds: readonly ShowId[]): Promise<(ShowCursor | undefined)[]> {
    const { rows } = await this.#cell.query<{ show_id: ShowId; layout_id: string; seq: number }>({
      name: "news-cursors",
      text: `SELECT l.show_id, l.layout_id, COALESCE((${CURSOR} = l.show_id), 0) AS seq
             FROM unnest($2::text[]) AS q(show_id) JOIN show_lease l USING (show_id)`,
      values: [sink, showIds],
    });
    const found = new Map(
      rows.map((row): [ShowId, ShowCursor] => [
        row.show_id,
        { showId: row.show_id, seq: row.seq, layoutId: row.layout_id },
      ]),
    );
    return showIds.map((showId) => found.get(showId));
  }

  /** In the order of their keys, so that two nodes that write the same ones wait for one another and do not deadlock. */
  async writeCursors(sink: string, cursors: readonly (readonly [ShowId, number])[]): Promise<void> {
    await this.#cell.query({
      name: "news-write-cursors",
      text: `INSERT INTO news_cursor AS c (sink, show_id, seq)
             SELECT $1, t.show_id, t.seq FROM unnest($2::text[], $3::bigint[]) AS t(show_id, seq) ORDER BY t.show_id
             ON CONFLICT (sink, show_id) DO UPDATE SET seq = GREATEST(c.seq, EXCLUDED.seq)`,
      values: [sink, cursors.map(([showId]) => showId), cursors.map(([, seq]) => seq)],
    });
  }

  async lags(sink: string, after: string, limit: number): Promise<LagPage> {
    const { rows } = await this.#cell.query<{ show_id: ShowId; seq: number; is_behind: boolean }>({
      name: "news-lags",
      text: `
        WITH page AS MATERIALIZED (
          SELECT show_id, seq FROM show_lease WHERE show_id > $2 ORDER BY show_id LIMIT $3),
        seen AS MATERIALIZED (
          SELECT show_id, seq, seq > COALESCE((${CURSOR} = page.show_id), 0) AS is_behind FROM page)
        SELECT show_id, seq, is_behind FROM seen
        WHERE is_behind OR show_id = (SELECT max(show_id) FROM page) ORDER BY show_id`,
      values: [sink, after, limit],
    });
    const lags = rows.filter((row) => row.is_behind).map((row) => ({ showId: row.show_id, seq: row.seq }));
    return { lags, last: rows.at(-1)?.show_id };
  }

  async log(
    showId: ShowId,
    { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
  ): Promise<LogTurn[]> {
    const { rows } = await this.#cell.query<{ seq: number; at: number; events: string }>({
      name: "news-log",
      text: `SELECT seq, at, events FROM show_log WHERE show_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`,
      values: [showId, after, upTo, limit],
    });
    return rows.map(({ seq, at, events }) => ({ seq, at, events: JSON.parse(events) as ShowEvent[] }));
  }

  /** A walk over the show's log, asked once in its life: when it is cancelled. */
  async wasCancelled(showId: ShowId, before: number): Promise<boolean> {
    const { rows } = await this.#cell.query<{ events: string }>({
      name: "news-was-cancelled",
      text: `SELECT events FROM show_log WHERE show_id = $1 AND seq < $2
               AND (events LIKE '%{"kind":"TermsChanged"%' OR events LIKE '%{"kind":"ShowOpened"%') ORDER BY seq DESC LIMIT 1`,
      values: [showId, before],
    });
    const events = rows.flatMap((row) => JSON.parse(row.events) as ShowEvent[]);
    const last = events.findLast((event) => event.kind === "TermsChanged" || event.kind === "ShowOpened");
    return last !== undefined && "terms" in last && last.terms.cancelled;
  }

  async facts(showId: ShowId, bookings: readonly BookingId[], waiters: readonly WaiterId[]): Promise<Facts> {
    const [booked, waited] = await Promise.all([this.#bookings(showId, bookings), this.#waiters(showId, waiters)]);
    return { bookings: booked, waiters: waited };
  }

  async #bookings(showId: ShowId, ids: readonly BookingId[]): Promise<Facts["bookings"]> {
    if (ids.length === 0) return new Map();
    const { rows } = await this.#cell.query<{
      id: OperationId;
      session: SessionId;
      seats: number[];
      total: number;
      currency: string;
    }>({
      name: "news-bookings",
      text: `SELECT b.id, b.session, b.seats, b.total, b.currency
             FROM unnest($2::text[]) AS q(id) JOIN booking b ON b.show_id = $1 AND b.id = q.id`,
      values: [showId, ids.map(operationOf)],
    });
    return new Map(rows.map(({ id, ...facts }) => [bookingIdOf(showId, id), facts]));
  }

  async #waiters(showId: ShowId, ids: readonly WaiterId[]): Promise<Facts["waiters"]> {
    if (ids.length === 0) return new Map();
    const { rows } = await this.#cell.query<{ id: OperationId; session: SessionId }>({
      name: "news-waiters",
      text: `SELECT w.id, w.session FROM unnest($2::text[]) AS q(id) JOIN waiter w ON w.show_id = $1 AND w.id = q.id`,
      values: [showId, ids.map(operationOf)],
    });
    return new Map(rows.map(({ id, session }) => [waiterIdOf(showId, id), { session }]));
  }

  async layout(layoutId: string): Promise<Layout> {
    const { rows } = await this.#catalogue.query<{ plan: Layout }>({
      name: "layout",
      text: "SELECT plan FROM layout WHERE layout_id = $1",
      values: [layoutId],
    });
    const plan = rows[0]?.plan;
    if (plan === undefined) throw new Error(`the catalogue has no layout ${layoutId}`);
    return plan;
  }
}
