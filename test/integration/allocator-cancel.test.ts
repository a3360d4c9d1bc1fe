// Goal: what is cancelled is given back, exactly once, whoever dies meanwhile: one booking by its holder, and a whole
// show's. Method: real Postgres, the payment simulator over HTTP, allocators that are killed; then the simulator's
// ledger against the tables, and the audit.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { PaymentGateway } from "../../allocator/payments/port.ts";
import { StripeGateway } from "../../allocator/payments/stripe-adapter.ts";
import { auditMoney } from "../../cli/audit-money.ts";
import { SIMULATOR_KEY, startPaymentSimulator } from "../../demo/payment-simulator/server.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import type { CancelBooking } from "../../shared/protocol/command.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  bySeats,
  confirm,
  InLine,
  joinLine,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  type TestNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

interface Seat {
  readonly id: BookingId;
  readonly session: SessionId;
}

async function house(t: Test, rows = 10) {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool, { rows })) as [ShowId];
  const dataDir = await mkdtemp(join(tmpdir(), "usher-cancel-"));
  const server = await startPaymentSimulator({ dataDir, port: 0 });
  t.teardown(async () => {
    await server.close();
    await rm(dataDir, { recursive: true });
  });
  const gateway = () => new StripeGateway({ url: server.url, apiKey: SIMULATOR_KEY, breakerResetMs: 300 });
  const node = (name: string, payments: PaymentGateway | undefined = gateway(), rules = {}) =>
    startNode(t, database, name, { payments, rules });
  return { database, showId, dataDir, gateway, node };
}

async function booked(node: TestNode, showId: ShowId, ...seats: number[]): Promise<Seat> {
  const session = newSession();
  const port = () => node.port;
  const { id } = bookingIn(await askUntilAnswered(port, showId, placeHold(bySeats(...seats), session)));
  const outcome = await askUntilAnswered(port, showId, confirm(id, session));
  if (wordOf(outcome) !== "booked") throw new Error(JSON.stringify(outcome));
  return { id, session };
}

const cancel = ({ id, session }: Seat): CancelBooking => ({
  kind: "CancelBooking",
  session,
  operation: newOperation(),
  bookingId: id,
});

async function payments({ pool }: TestDatabase): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ word: string; n: number }>(
    "SELECT status || ' ' || (payment->>'state') AS word, count(*) AS n FROM booking GROUP BY 1 ORDER BY 1",
  );
  return Object.fromEntries(rows.map(({ word, n }) => [word, Number(n)]));
}

const untilPayment = (database: TestDatabase, word: string, n = 1): Promise<void> =>
  until(`${n} × ${word}`, async () => (await payments(database))[word] === n);

/** `replay(log) = tables`, and the ledger is what the bookings say, to the unit. */
async function balanced(t: Test, { pool }: TestDatabase, dataDir: string, totals: object): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, []);
  t.match(await auditMoney(pool, dataDir), { problems: [], totals: { USD: totals } });
}

t.test("a booking that was captured is refunded, one that was only authorised is cancelled", async (t) => {
  const { database, showId, dataDir, gateway, node } = await house(t);
  const n1 = await node("n1");
  const captured = await booked(n1, showId, 0, 1);
  await untilPayment(database, "booked captured");
  const before = bookingIn(
    await n1.port.ask(showId, { kind: "ReadBooking", bookingId: captured.id, session: captured.session }, ASK_MS),
  );
  const command = cancel(captured);
  t.match(await n1.port.ask(showId, command, ASK_MS), {
    booking: { status: "cancelled", reason: "cancelled_by_holder" },
    replayed: false,
  });
  t.match(await n1.port.ask(showId, command, ASK_MS), { booking: { status: "cancelled" }, replayed: true });
  t.equal(wordOf(await n1.port.ask(showId, cancel(captured), ASK_MS)), "cancelled", "another key: the booking again");
  await untilPayment(database, "cancelled refunded");
  await balanced(t, database, dataDir, { captured: 0, refunded: before.total, inFlight: 0 });
  t.equal(wordOf(await n1.port.ask(showId, placeHold(bySeats(0, 1)), ASK_MS)), "held", "its seats are free");
  await n1.stop();

  let isAway = true;
  const real = gateway();
  const n2 = await node("n2", {
    authorise: (request) => real.authorise(request),
    capture: async (reference, key) => (isAway ? "unknown" : real.capture(reference, key)),
    cancel: (reference, key) => real.cancel(reference, key),
    refund: (reference, key) => real.refund(reference, key),
    find: (...asked) => real.find(...asked),
    look: (...asked) => real.look(...asked),
    available: () => true,
    mayBegin: () => true,
    retryAfterMs: () => 0,
    close: () => real.close(),
  });
  const authorised = await booked(n2, showId, 4);
  t.equal(wordOf(await n2.port.ask(showId, cancel(authorised), ASK_MS)), "cancelled");
  await untilPayment(database, "cancelled voided");
  isAway = false;
  await balanced(t, database, dataDir, { captured: 0, refunded: before.total, inFlight: 0 });
});

t.test("with the provider away a booking is cancelled at once; a takeover gives the money back, once", async (t) => {
  const { database, showId, dataDir, gateway, node } = await house(t);
  const real = gateway();
  const asked: string[] = [];
  // Even what it does is not heard of.
  const deaf: PaymentGateway = {
    authorise: (request) => real.authorise(request),
    capture: (reference, key) => real.capture(reference, key),
    cancel: (reference, key) => real.cancel(reference, key),
    refund: async (reference, key) => {
      await real.refund(reference, key);
      asked.push("refund");
      return "unknown";
    },
    find: (...asked) => real.find(...asked),
    look: (...asked) => real.look(...asked),
    available: () => true,
    mayBegin: () => true,
    retryAfterMs: () => 0,
    close: () => real.close(),
  };
  const n1 = await node("n1", deaf);
  const seat = await booked(n1, showId, 0);
  await untilPayment(database, "booked captured");
  t.equal(wordOf(await n1.port.ask(showId, cancel(seat), ASK_MS)), "cancelled");
  t.same(await payments(database), { "cancelled refunding": 1 });
  await until("it is asked for again and again", () => asked.filter((call) => call === "refund").length >= 2);
  n1.crash();
  await node("n2");
  await untilPayment(database, "cancelled refunded");
  await balanced(t, database, dataDir, { captured: 0, refunded: 1_200, inFlight: 0 });
});

t.test("refused too late, when held, and when it was paid on the spot there is nothing to give back", async (t) => {
  const { database, showId, node } = await house(t);
  const late = await node("late", undefined, { cancelUntilMs: 2 * 86_400_000 });
  const seat = await booked(late, showId, 0);
  t.match(await late.port.ask(showId, cancel(seat), ASK_MS), { refusal: { code: "cancellation_closed" } });
  await late.stop();
  const session = newSession();
  const n1 = await startNode(t, database, "n1", { payments: undefined });
  const held = bookingIn(await n1.port.ask(showId, placeHold(bySeats(1), session), ASK_MS));
  t.equal(wordOf(await n1.port.ask(showId, cancel({ id: held.id, session }), ASK_MS)), "not_booked");
  t.equal(wordOf(await n1.port.ask(showId, cancel(await booked(n1, showId, 2)), ASK_MS)), "cancelled");
  t.same((await payments(database))["cancelled captured"], 1);
  t.same((await auditCell(database.pool, database.pool)).problems, []);
});

t.test("money that is not where its booking says is told, one sentence each", async (t) => {
  const { database, showId, dataDir, node } = await house(t);
  const { pool } = database;
  const n1 = await node("n1");
  const [kept, given, open] = [await booked(n1, showId, 0), await booked(n1, showId, 1), await booked(n1, showId, 2)];
  await untilPayment(database, "booked captured", 3);
  t.equal(wordOf(await n1.port.ask(showId, cancel(given), ASK_MS)), "cancelled");
  await untilPayment(database, "cancelled refunded");
  await n1.stop();
  await balanced(t, database, dataDir, { captured: 2_400, refunded: 1_200, authorised: 3_600 });
  const set = (seat: Seat, payment: object) =>
    pool.query("UPDATE booking SET payment = payment || $2 WHERE show_id || '.' || id = $1", [seat.id, payment]);
  const cases: [seat: Seat, payment: object, wanted: RegExp[]][] = [
    [kept, { state: "voided" }, [/succeeded with 1200 of 1200 USD for booking .*voided/, /3600 were .* 2400 are/]],
    [given, { state: "captured" }, [/succeeded with 0 of 1200 USD for booking .*cancelled, captured/, /4800 are/]],
    [open, { reference: "pi_none" }, [/1200 USD beside the payment of booking/, /pi_none is captured and not in the/]],
    [open, { state: "authorised" }, []],
  ];
  for (const [seat, payment, wanted] of cases) {
    const before = await pool.query("SELECT payment FROM booking WHERE show_id || '.' || id = $1", [seat.id]);
    await set(seat, payment);
    const { problems } = await auditMoney(pool, dataDir);
    t.match(problems, wanted, JSON.stringify(payment));
    t.equal(problems.length, wanted.length);
    await set(seat, (before.rows[0] as { payment: object }).payment);
  }
  const elsewhere = await auditMoney(pool, join(dataDir, "nothing"));
  t.equal(elsewhere.problems.length, 4, "another folder's ledger: three payments and their sum");
});

const endShow = ({ pool }: TestDatabase, showId: ShowId) =>
  pool.query("UPDATE show SET cancelled = true WHERE show_id = $1", [showId]);

async function statuses({ pool }: TestDatabase): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ word: string; n: number }>(
    "SELECT status || COALESCE(' ' || reason, '') AS word, count(*) AS n FROM booking GROUP BY 1 ORDER BY 1",
  );
  return Object.fromEntries(rows.map(({ word, n }) => [word, Number(n)]));
}

/** Every refund reaches the provider; the owner hears of the first `heardMax` only, and waits for the others for ever. */
function refundingAtMost(gateway: PaymentGateway, heardMax: number): PaymentGateway {
  let refunds = 0;
  return {
    authorise: (request) => gateway.authorise(request),
    capture: (reference, key) => gateway.capture(reference, key),
    cancel: (reference, key) => gateway.cancel(reference, key),
    refund: async (reference, key) => {
      refunds += 1;
      const isHeard = refunds <= heardMax;
      const outcome = await gateway.refund(reference, key);
      return isHeard ? outcome : new Promise(() => undefined);
    },
    find: (...asked) => gateway.find(...asked),
    look: (...asked) => gateway.look(...asked),
    available: () => gateway.available(),
    mayBegin: () => gateway.mayBegin(),
    retryAfterMs: () => gateway.retryAfterMs(),
    close: () => gateway.close(),
  };
}

const cleared = (database: TestDatabase) => async (): Promise<boolean> => {
  const { rows } = await database.pool.query(
    "SELECT 1 FROM booking WHERE status IN ('held', 'paying', 'booked') OR payment->>'state' IN ('begun', 'authorised', 'voiding', 'refunding')",
  );
  return rows.length === 0;
};

t.test("a show of 300 bookings is cancelled, its owners killed in between: everybody is refunded, once", async (t) => {
  const { database, showId, dataDir, gateway, node } = await house(t, 16);
  let present = await node("k0");
  const wave = (from: number) => Promise.all(Array.from({ length: 50 }, (_, i) => booked(present, showId, from + i)));
  const seats: Seat[] = [];
  for (let from = 0; from < 300; from += 50) seats.push(...(await wave(from)));
  await untilPayment(database, "booked captured", 300);
  const holder = newSession();
  t.equal(wordOf(await present.port.ask(showId, placeHold(bySeats(300, 301, 302), holder), ASK_MS)), "held");
  // The rest is held too, so that somebody can wait.
  for (let seat = 303; seat < 320; seat += 1) await present.port.ask(showId, placeHold(bySeats(seat)), ASK_MS);
  const join = joinLine(2);
  t.equal(wordOf(await present.port.ask(showId, join, ASK_MS)), "waiting");

  // Killed before its owner hears of it: the catalogue knows.
  await endShow(database, showId);
  present.crash();
  for (let owner = 1; owner <= 3; owner += 1) {
    present = await node(`k${owner}`, refundingAtMost(gateway(), 60));
    await untilPayment(database, "cancelled refunded", 60 * owner);
    present.crash();
  }
  present = await node("k4");
  await until("all is cleared", cleared(database));
  t.same(await statuses(database), { "cancelled show_cancelled": 300, "released show_cancelled": 18 });
  t.equal(wordOf(await present.port.ask(showId, new InLine(showId, join).poll(), ASK_MS)), "closed");
  t.equal(wordOf(await present.port.ask(showId, placeHold(bySeats(0)), ASK_MS)), "sales_closed");
  await balanced(t, database, dataDir, { captured: 0, refunded: 300 * 1_200, inFlight: 0 });
  await until("nothing is left to do", async () => {
    const { rows } = await database.pool.query<{ active: boolean }>("SELECT active FROM show_lease");
    return rows.every(({ active }) => !active);
  });
  const { rows } = await database.pool.query<{ n: number }>(
    "SELECT max(json_array_length(events::json)) AS n FROM show_log WHERE events LIKE '%show_cancelled%'",
  );
  t.ok((rows[0]?.n ?? 0) <= 100, "a bounded number at a time");
  const { rows: owners } = await database.pool.query<{ n: number }>(
    "SELECT count(DISTINCT epoch)::integer AS n FROM show_log WHERE events LIKE '%PaymentRefunded%'",
  );
  t.same(owners, [{ n: 4 }], "four owners had a part in it");
});

t.test("a live owner hears of it; cold rows too, and payments under way", async (t) => {
  const { database, showId, dataDir, node } = await house(t);
  const n1 = await node("n1");
  await booked(n1, showId, 0);
  await untilPayment(database, "booked captured");
  const slow = newSession();
  const { id } = bookingIn(await n1.port.ask(showId, placeHold(bySeats(5), slow), ASK_MS));
  const paying = n1.port.ask(showId, confirm(id, slow, { token: "pm_sim_slow_1000" }), ASK_MS);
  await until("it is being paid", async () => (await payments(database))["paying begun"] === 1);
  await endShow(database, showId);
  t.equal(wordOf(await n1.port.ask(showId, { kind: "RefreshTerms" }, ASK_MS)), "done");
  await until("all is cleared", cleared(database));
  t.equal(wordOf(await paying), "hold_expired");
  t.same(await payments(database), { "cancelled refunded": 1, "released voided": 1 });
  t.equal(wordOf(await n1.port.ask(showId, { kind: "RefreshTerms" }, ASK_MS)), "done", "again: nothing more");
  await balanced(t, database, dataDir, { captured: 0, voided: 1_200, refunded: 1_200, inFlight: 0 });
});
