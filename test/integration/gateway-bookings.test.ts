// A session's bookings, from the real table: pages, cursors, and what happens while the store is away.

import t from "tap";
import { bookingsOfSession, cursorText, readCursor } from "../../gateway/bookings-of-session.ts";
import { fakeGateway } from "../../gateway/fake-gateway.ts";
import { isStoreAway } from "../../gateway/http/store-away.ts";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { createPool, type Pool } from "../../shared/platform/postgres.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const ANN = "ann" as SessionId;
const CREATED_AT = 1_800_000_000_000;

/** `count` bookings of a session; three of each millisecond, so that pages end between equal times. */
async function insertBookings(pool: Pool, session: string, count: number): Promise<void> {
  await pool.query(
    `INSERT INTO booking (show_id, id, session, status, version, seats, total, currency, created_at, expires_at,
       grace_ms, line_ms, booked_at, reason, extended, request_hash)
     SELECT 'show-' || n % 2, $1::text || lpad(n::text, 19, 'x'), $1, 'booked', n, ARRAY[n, n + 1]::smallint[], 5000000000,
       'USD', $2::bigint + n / 3, 2, 3, 4, CASE WHEN n % 2 = 0 THEN 4 END, NULL, false, 1
     FROM generate_series(0, $3::int - 1) AS n`,
    [session, CREATED_AT, count],
  );
}

t.test("bookings come newest first, each once, whatever the size of a page", async (t) => {
  const { pool } = await startTestPostgres(t);
  await insertBookings(pool, "ann", 10);
  await insertBookings(pool, "bob", 3);
  const whole = await bookingsOfSession(pool, ANN, undefined, 50);
  t.equal(whole.bookings.length, 10);
  t.equal(whole.next, undefined);
  t.ok(whole.bookings.every(({ session }) => session === ANN));
  const times = whole.bookings.map(({ createdAt }) => createdAt);
  t.same(
    times,
    [...times].sort((a, b) => b - a),
  );
  t.match(whole.bookings[0], { createdAt: CREATED_AT + 3, total: 5_000_000_000, seats: [9, 10], bookedAt: undefined });
  for (const limit of [1, 3, 4, 10]) {
    const ids: string[] = [];
    let cursor: ReturnType<typeof readCursor>;
    do {
      const page = await bookingsOfSession(pool, ANN, cursor, limit);
      ids.push(...page.bookings.map(({ id }) => id));
      // As a client would: through the text.
      cursor = page.next === undefined ? undefined : readCursor(cursorText(page.next));
    } while (cursor !== undefined);
    t.same(
      ids,
      whole.bookings.map(({ id }) => id),
      `pages of ${limit}`,
    );
  }
});

t.test("a booking made meanwhile shifts no page", async (t) => {
  const { pool } = await startTestPostgres(t);
  await insertBookings(pool, "ann", 4);
  const first = await bookingsOfSession(pool, ANN, undefined, 2);
  await pool.query("UPDATE booking SET created_at = created_at + 1000 WHERE id = $1", ["annxxxxxxxxxxxxxxxxxx0"]);
  const second = await bookingsOfSession(pool, ANN, first.next, 2);
  t.equal(second.bookings.length, 1, "the one that was moved to the front is not told twice");
});

t.test("what is being paid runs out with its payment, everything else with its hold", async (t) => {
  const { pool } = await startTestPostgres(t);
  await insertBookings(pool, "ann", 3);
  const payment = JSON.stringify({ attempt: 1, deadlineAt: CREATED_AT + 120_000 });
  await pool.query("UPDATE booking SET status = 'paying', payment = $1 WHERE version = 0", [payment]);
  await pool.query("UPDATE booking SET payment = $1 WHERE version = 1", [payment]);
  const { bookings } = await bookingsOfSession(pool, ANN, undefined, 50);
  const byVersion = [...bookings].sort((a, b) => a.version - b.version);
  t.same(
    byVersion.map(({ status, expiresAt }) => [status, expiresAt]),
    [
      ["paying", CREATED_AT + 120_000],
      ["booked", 2],
      ["booked", 2],
    ],
  );
});

t.test("while the store is away the list answers 503", async (t) => {
  const { server, url } = await startTestPostgres(t);
  const pool = createPool({
    url,
    max: 2,
    applicationName: "test",
    statementTimeoutMs: 2_000,
    connectTimeoutMs: 1_000,
  });
  t.teardown(() => pool.end());
  const { ask, problem } = await fakeGateway({}, pool);
  t.match(await problem(ask("GET", "/v1/bookings")), { http: 200, bookings: [] });
  await server.stop();
  const away = await ask("GET", "/v1/bookings");
  t.equal(away.headers.get("retry-after"), "2");
  t.match(await problem(away), { http: 503, code: "store_unavailable", retryable: true });
  t.match(await problem(ask("GET", "/readyz")), { http: 503, not_ready: ["postgres"] });
  t.ok(isStoreAway(await pool.query("SELECT 1").catch((error: unknown) => error)));
});
