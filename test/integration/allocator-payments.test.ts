// Goal: money is conserved. Every payment comes to its recorded end, also when the allocator dies at any point of it,
// and every authorisation of the provider ends captured and booked, or cancelled. Method: the payment simulator over
// HTTP, with a provider in between that stops at the step the test names; then its ledger against the bookings.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { PaymentGateway } from "../../allocator/payments/port.ts";
import { StripeGateway } from "../../allocator/payments/stripe-adapter.ts";
import { SIMULATOR_KEY, startPaymentSimulator } from "../../demo/payment-simulator/server.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  bySeats,
  confirm,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  type TestNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const LATE_MS = 400;

const pg = await startTestPostgres(t);

interface Ledger {
  readonly intents: readonly {
    readonly booking_id: BookingId;
    readonly amount: number;
    readonly amount_received: number;
    readonly amount_refunded: number;
    readonly status: string;
  }[];
}

async function simulator(t: Test, port = 0): Promise<{ url: string; ledger: () => Promise<Ledger> }> {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-payments-"));
  const server = await startPaymentSimulator({ dataDir, port, lateMs: LATE_MS });
  t.teardown(async () => {
    await server.close();
    await rm(dataDir, { recursive: true });
  });
  const ledger = async () => (await fetch(`${server.url}/sim/ledger`)).json() as Promise<Ledger>;
  return { url: server.url, ledger };
}

const stripe = (url: string): StripeGateway => new StripeGateway({ url, apiKey: SIMULATOR_KEY, breakerResetMs: 300 });

interface Seat {
  readonly id: BookingId;
  readonly session: SessionId;
}

async function house(t: Test) {
  const database = await pg.freshDatabase();
  const [showId] = (await putOnSale(database.pool)) as [ShowId];
  const { url, ledger } = await simulator(t);
  const node = (name: string, gateway: PaymentGateway, rules = {}) =>
    startNode(t, database, name, { payments: gateway, rules });
  return { database, showId, url, ledger, node };
}

async function held(node: TestNode, showId: ShowId, seat: number): Promise<Seat> {
  const session = newSession();
  const { id } = bookingIn(await askUntilAnswered(() => node.port, showId, placeHold(bySeats(seat), session)));
  return { id, session };
}

async function rowOf(
  { pool }: TestDatabase,
  id: BookingId,
): Promise<{ status: string; reason: string; payment: string } | undefined> {
  const { rows } = await pool.query(
    "SELECT status, reason, payment->>'state' AS payment FROM booking WHERE show_id || '.' || id = $1",
    [id],
  );
  return rows[0];
}

async function untilPaid(database: TestDatabase, id: BookingId, payment: string): Promise<void> {
  await until(`payment of ${id} is ${payment}`, async () => (await rowOf(database, id))?.payment === payment);
}

/** Every payment at its end, every authorisation accounted for. */
async function balanced(t: Test, { pool }: TestDatabase, ledger: () => Promise<Ledger>): Promise<void> {
  await until("no payment is unfinished", async () => {
    const open = await pool.query(
      "SELECT 1 FROM booking WHERE payment->>'state' IN ('begun', 'authorised', 'voiding', 'refunding')",
    );
    return open.rowCount === 0;
  });
  const { intents } = await ledger();
  const { rows } = await pool.query<{ id: BookingId; status: string; total: number }>(
    "SELECT show_id || '.' || id AS id, status, total FROM booking WHERE payment IS NOT NULL",
  );
  for (const { id, status, total } of rows) {
    const own = intents.filter((intent) => intent.booking_id === id);
    const kept = own.reduce((sum, intent) => sum + intent.amount_received - intent.amount_refunded, 0);
    if (kept !== (status === "booked" ? total : 0)) t.fail(`${id} is ${status} and ${kept} of ${total} was kept`);
    const open = own.filter((intent) => !["succeeded", "canceled", "requires_payment_method"].includes(intent.status));
    if (open.length > 0) t.fail(`${id} is ${status} and has an authorisation that is ${open[0]?.status}`);
  }
  for (const { booking_id } of intents)
    if (!rows.some(({ id }) => id === booking_id)) t.fail(`${booking_id} paid for nothing`);
  t.same((await auditCell(pool, pool)).problems, []);
}

t.test("authorised, booked, captured; declined: released at once", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const n1 = await node("n1", stripe(url));
  const good = await held(n1, showId, 0);
  const bad = await held(n1, showId, 1);
  const pay = confirm(good.id, good.session);
  t.equal(wordOf(await n1.port.ask(showId, pay, ASK_MS)), "booked");
  const decline = confirm(bad.id, bad.session, { token: "pm_card_chargeDeclined" });
  const refused = await n1.port.ask(showId, decline, ASK_MS);
  t.match(refused, { refusal: { code: "payment_declined", reason: "generic_decline" } });
  t.match(await rowOf(database, bad.id), { status: "declined", payment: "declined" });
  t.equal(wordOf(await n1.port.ask(showId, placeHold(bySeats(1)), ASK_MS)), "held", "its seat is free at once");
  t.equal(wordOf(await n1.port.ask(showId, pay, ASK_MS)), "booked", "the key answers the booking's present");
  t.equal(wordOf(await n1.port.ask(showId, decline, ASK_MS)), "payment_declined");
  await untilPaid(database, good.id, "captured");
  await balanced(t, database, ledger);
});

t.test("a hold that is kept after a decline is paid by another attempt; the first key pays nothing more", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const n1 = await node("n1", stripe(url), { releaseOnDecline: false });
  const seat = await held(n1, showId, 0);
  const first = confirm(seat.id, seat.session, { token: "pm_card_chargeDeclined" });
  t.equal(wordOf(await n1.port.ask(showId, first, ASK_MS)), "payment_declined");
  t.match(await rowOf(database, seat.id), { status: "held", payment: "declined" });
  const second = confirm(seat.id, seat.session, { token: "pm_card_chargeDeclined" });
  t.equal(wordOf(await n1.port.ask(showId, second, ASK_MS)), "payment_declined");
  t.equal(wordOf(await n1.port.ask(showId, first, ASK_MS)), "payment_declined");
  t.equal((await ledger()).intents.length, 2, "a repeated key begins nothing");
  await n1.stop();
  const n2 = await node("n2", stripe(url), { releaseOnDecline: false });
  t.equal(wordOf(await n2.port.ask(showId, first, ASK_MS)), "payment_declined");
  t.equal((await ledger()).intents.length, 2, "nor after a restart");
  t.equal(wordOf(await n2.port.ask(showId, confirm(seat.id, seat.session), ASK_MS)), "booked");
  await untilPaid(database, seat.id, "captured");
  await balanced(t, database, ledger);
});

t.test("a slow payment is answered as paying after 2 s, and is booked in the end", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const n1 = await node("n1", stripe(url));
  const seat = await held(n1, showId, 0);
  const pay = confirm(seat.id, seat.session, { token: "pm_sim_slow_2600" });
  const askedAt = performance.now();
  t.equal(wordOf(await n1.port.ask(showId, pay, ASK_MS)), "paying");
  const waitedMs = performance.now() - askedAt;
  t.ok(waitedMs >= 1_900 && waitedMs < 2_590, `after ${waitedMs.toFixed(0)} ms`);
  const other = confirm(seat.id, seat.session);
  t.equal(wordOf(await n1.port.ask(showId, other, ASK_MS)), "payment_in_progress");
  t.equal(wordOf(await n1.port.ask(showId, pay, ASK_MS)), "booked");
  await untilPaid(database, seat.id, "captured");
  await balanced(t, database, ledger);
});

/** A provider that does the step and never says so, or does not even do it; until it is closed. */
function stuckAt(
  gateway: PaymentGateway,
  step: "authorise" | "capture",
  isDone: boolean,
): PaymentGateway & { reached: Promise<void> } {
  let reach: () => void = () => undefined;
  let close: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const stick = async <T>(call: () => Promise<T>): Promise<void> => {
    if (isDone) await call();
    reach();
    await closed;
  };
  return {
    reached,
    authorise: async (request) => {
      if (step !== "authorise") return gateway.authorise(request);
      await stick(() => gateway.authorise(request));
      return { kind: "unknown" };
    },
    capture: async (reference, key) => {
      if (step !== "capture") return gateway.capture(reference, key);
      await stick(() => gateway.capture(reference, key));
      return "unknown";
    },
    cancel: (reference, key) => gateway.cancel(reference, key),
    refund: (reference, key) => gateway.refund(reference, key),
    find: (...asked) => gateway.find(...asked),
    look: (...asked) => gateway.look(...asked),
    available: () => gateway.available(),
    mayBegin: () => gateway.mayBegin(),
    retryAfterMs: () => gateway.retryAfterMs(),
    close: async () => {
      close();
      await gateway.close();
    },
  };
}

for (const how of ["crash", "stop"] as const) {
  t.test(`the allocator's end (${how}) at every step of a payment: the next one drives it to its end`, async (t) => {
    const { database, showId, url, ledger, node } = await house(t);
    const steps = [
      { name: "begun, not yet sent", step: "authorise", isDone: false, payment: "begun" },
      { name: "authorised, not yet heard", step: "authorise", isDone: true, payment: "begun" },
      { name: "booked, not yet captured", step: "capture", isDone: false, payment: "authorised" },
      { name: "captured, not yet heard", step: "capture", isDone: true, payment: "authorised" },
    ] as const;
    for (const [i, { name, step, isDone, payment }] of steps.entries()) {
      const gateway = stuckAt(stripe(url), step, isDone);
      const first = await node(`first-${i}`, gateway);
      const seat = await held(first, showId, i);
      const pay = confirm(seat.id, seat.session);
      const asked = first.port.ask(showId, pay, ASK_MS);
      await gateway.reached;
      t.equal((await rowOf(database, seat.id))?.payment, payment, name);
      if (how === "crash") first.crash();
      else await first.stop();
      const next = await node(`next-${i}`, stripe(url));
      await untilPaid(database, seat.id, "captured");
      t.equal(wordOf(await next.port.ask(showId, pay, ASK_MS)), "booked", `${name}: the same key hears of it`);
      if (how === "stop")
        t.match(await asked, { booking: { id: seat.id } }, `${name}: nobody was told that nothing happened`);
      await next.stop();
    }
    t.equal((await ledger()).intents.length, steps.length, "each was paid once");
    await balanced(t, database, ledger);
  });
}

/** Gives up waiting for the provider much sooner. */
function impatient(gateway: PaymentGateway): PaymentGateway {
  return {
    authorise: (request) => gateway.authorise({ ...request, timeoutMs: 200 }),
    capture: (reference, key) => gateway.capture(reference, key),
    cancel: (reference, key) => gateway.cancel(reference, key),
    refund: (reference, key) => gateway.refund(reference, key),
    find: (...asked) => gateway.find(...asked),
    look: (...asked) => gateway.look(...asked),
    available: () => gateway.available(),
    mayBegin: () => gateway.mayBegin(),
    retryAfterMs: () => gateway.retryAfterMs(),
    close: () => gateway.close(),
  };
}

t.test("a payment nobody answers is released at its own deadline, its seat sold to another", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const n1 = await node("n1", stripe(url), { payTtlMs: 1_000 });
  const seat = await held(n1, showId, 0);
  const session = seat.session;
  const begunAt = n1.clock.now();
  const pay = n1.port.ask(showId, confirm(seat.id, session, { token: "pm_sim_timeout" }), ASK_MS);
  await until("it is released", async () => (await rowOf(database, seat.id))?.status === "released");
  const afterMs = n1.clock.now() - begunAt;
  t.ok(afterMs >= 1_000 && afterMs < 3_000, `after ${afterMs} ms`);
  t.match(await rowOf(database, seat.id), { reason: "payment_unknown", payment: "voiding" });
  t.equal(wordOf(await pay), "hold_expired");
  const other = await held(n1, showId, 0);
  t.equal(wordOf(await n1.port.ask(showId, confirm(other.id, other.session), ASK_MS)), "booked");
  t.equal(
    (await ledger()).intents.filter((intent) => intent.booking_id === seat.id).length,
    0,
    "nothing was authorised",
  );
  t.same((await auditCell(database.pool, database.pool)).problems, []);
});

t.test("one stuck payment leaves the others alone, before and after a restart", async (t) => {
  const { database, showId, url, node } = await house(t);
  const asked: string[] = [];
  const watched = (): StripeGateway =>
    new StripeGateway({
      url,
      apiKey: SIMULATOR_KEY,
      breakerResetMs: ASK_MS,
      onTrouble: (trouble) => void asked.push(trouble.kind === "failure" ? trouble.bookingId : trouble.state),
    });
  const stuck = { seat: 0, askedMin: 5 };
  let id: BookingId | undefined;
  for (const [i, name] of ["first", "next"].entries()) {
    asked.length = 0;
    const owner = await node(name, watched(), { payTtlMs: 500 });
    if (id === undefined) {
      const seat = await held(owner, showId, stuck.seat);
      id = seat.id;
      void owner.port.ask(showId, confirm(id, seat.session, { token: "pm_sim_error" }), ASK_MS);
    }
    await until("it was asked about again and again", () => asked.length >= stuck.askedMin);
    t.same([...new Set(asked)], [id], "nothing else fails, and no breaker opens");
    const other = await held(owner, showId, i + 1);
    t.equal(wordOf(await owner.port.ask(showId, confirm(other.id, other.session), ASK_MS)), "booked", name);
    await owner.stop();
  }
  t.same(await rowOf(database, id as BookingId), { status: "released", reason: "payment_unknown", payment: "voiding" });
});

t.test("a success after the release: booked where nobody is in the way, else cancelled", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const n1 = await node("n1", impatient(stripe(url)), { payTtlMs: 300 });
  const free = await held(n1, showId, 0);
  const taken = await held(n1, showId, 1);
  const asked = [free, taken].map(({ id, session }) =>
    n1.port.ask(showId, confirm(id, session, { token: "pm_sim_late" }), ASK_MS),
  );
  await until("it is released", async () => (await rowOf(database, taken.id))?.status === "released");
  const other = await held(n1, showId, 1);
  await untilPaid(database, free.id, "captured");
  await untilPaid(database, taken.id, "voided");
  t.match(await rowOf(database, free.id), { status: "booked", reason: null });
  t.match(await rowOf(database, taken.id), { status: "released", reason: "payment_unknown" });
  t.equal(wordOf(await n1.port.ask(showId, confirm(other.id, other.session), ASK_MS)), "booked", "nobody is displaced");
  await Promise.all(asked);
  await balanced(t, database, ledger);
});

t.test("a provider that is away: no payment begins, holds stay; back again, what was begun is paid", async (t) => {
  const { database, showId, node } = await house(t);
  const dead = await deadPort();
  const gateway = new StripeGateway({ url: `http://127.0.0.1:${dead}`, apiKey: SIMULATOR_KEY, breakerResetMs: 2_000 });
  const n1 = await node("n1", gateway);
  const seats = await Promise.all([0, 1, 2, 3, 4, 5].map((seat) => held(n1, showId, seat)));
  const last = seats.pop() as Seat;
  const begun = seats.map(({ id, session }) => n1.port.ask(showId, confirm(id, session), ASK_MS));
  await until("the breaker is open", () => !gateway.available());
  // Not the 2 s that a confirm waits for an outcome: nobody is asked.
  const refusedMs: number[] = [];
  while (!gateway.available()) {
    const askedAt = performance.now();
    const word = wordOf(await n1.port.ask(showId, confirm(last.id, last.session), ASK_MS));
    if (word !== "payment_unavailable") break;
    refusedMs.push(performance.now() - askedAt);
    const seat = await held(n1, showId, 10 + refusedMs.length);
    const read = { kind: "ReadBooking", bookingId: seat.id, session: seat.session } as const;
    t.equal(wordOf(await n1.port.ask(showId, read, ASK_MS)), "held", "locks and reads go on");
    if (refusedMs.length === 10) break;
  }
  t.ok(
    refusedMs.length > 0 && Math.min(...refusedMs) < 1_000,
    `refused after ${refusedMs.map(Math.round).join(", ")} ms`,
  );
  t.match(await rowOf(database, last.id), { status: "held", payment: null }, "its hold is as it was");
  t.same(new Set((await Promise.all(begun)).map(wordOf)), new Set(["paying"]));
  const back = await simulator(t, dead);
  for (const { id } of seats) await untilPaid(database, id, "captured");
  await until("payments begin again", async () => {
    const reply = await n1.port.ask(showId, confirm(last.id, last.session), ASK_MS);
    return wordOf(reply) === "booked";
  });
  await balanced(t, database, back.ledger);
});

async function deadPort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

t.test("a hundred payments of all kinds, with allocators killed in between", async (t) => {
  const { database, showId, url, ledger, node } = await house(t);
  const tokens = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_sim_slow_50",
    "pm_sim_slow_300",
    "pm_sim_duplicate",
  ];
  let present = await node("k0", stripe(url));
  const words: Record<string, number> = {};
  const people = Array.from({ length: 100 }, async (_, i) => {
    const session = newSession();
    const ask = async (command: Parameters<TestNode["port"]["ask"]>[1]) => {
      for (;;) {
        const asked = present;
        const reply = await Promise.race([asked.port.ask(showId, command, 3_000), asked.crashed]);
        if (reply !== undefined && reply.kind !== "fault" && wordOf(reply) !== "paying") return reply;
        await sleepMs(20, systemTimers);
      }
    };
    const reply = await ask(placeHold(bySeats(i), session));
    const { id } = bookingIn(reply);
    const word = wordOf(await ask(confirm(id, session, { token: tokens[i % tokens.length] as string })));
    words[word] = (words[word] ?? 0) + 1;
  });
  for (let i = 1; i <= 4; i += 1) {
    await sleepMs(60, systemTimers);
    present.crash();
    present = await node(`k${i}`, stripe(url));
  }
  await Promise.all(people);
  t.same(Object.keys(words).sort(), ["booked", "payment_declined"]);
  t.equal((words.booked ?? 0) + (words.payment_declined ?? 0), 100);
  await balanced(t, database, ledger);
  t.comment(words);
});
