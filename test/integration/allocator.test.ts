// Goal: a show's whole life through the port: each command and its replay, in memory, from the table and after a
// restart; a stop that loses nothing, a crash that loses nothing that was acknowledged. Method: allocators on a real
// server, one after the other; at the end the audit.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Command, Operation } from "../../shared/protocol/command.ts";
import { SEAT_BLOCKED, SEAT_FREE, SEAT_HELD, SEAT_SOLD } from "../../shared/protocol/reply.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  byQuantity,
  bySeats,
  confirm,
  holdIdOf,
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

async function house(options: Parameters<typeof putOnSale>[1] = {}) {
  const database = await pg.freshDatabase();
  const showIds = await putOnSale(database.pool, options);
  return { database, showIds, showId: showIds[0] as ShowId };
}

async function clean(t: Test, { pool }: TestDatabase): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, [], "the audit finds nothing");
}

/** The key of another request. */
const reused = ({ operation }: { operation: Operation }): Operation => ({ ...operation, requestHash: -1 });

const ask = (node: TestNode, showId: ShowId, command: Command) => node.port.ask(showId, command, ASK_MS);

async function seatsOf(node: TestNode, showId: ShowId): Promise<string> {
  const reply = await ask(node, showId, { kind: "ReadSeatMap" });
  if (reply.kind !== "snapshot") throw new Error(JSON.stringify(reply));
  return reply.snapshot.status;
}

async function hasNoConnection({ pool }: TestDatabase, nodeId: string): Promise<boolean> {
  const name = `usher allocator ${nodeId}`;
  return (await pool.query("SELECT 1 FROM pg_stat_activity WHERE application_name = $1", [name])).rowCount === 0;
}

t.test("lock, extend, release, confirm, block: each once, however often it is asked and whoever answers", async (t) => {
  const { database, showId } = await house();
  const session = newSession();
  const hold = placeHold(bySeats(0, 1), session);
  const held = holdIdOf(showId, hold);
  const released = placeHold(bySeats(10, 11), session);
  const left = placeHold(bySeats(20), session);
  const commands: readonly (readonly [command: Command & { operation: { id: string } }, word: string])[] = [
    [hold, "held"],
    [{ kind: "ExtendHold", session, operation: newOperation(), bookingId: held }, "held"],
    [released, "held"],
    [{ kind: "ReleaseHold", session, operation: newOperation(), bookingId: holdIdOf(showId, released) }, "released"],
    [confirm(held, session), "booked"],
    [left, "held"],
    [{ kind: "BlockSeats", operation: newOperation(), seats: [30, 31, 32] }, "seats"],
    [{ kind: "UnblockSeats", operation: newOperation(), seats: [31] }, "seats"],
  ];
  // What a key answers later is its booking's present.
  const later = ["booked", "booked", "released", "released", "booked", "held", "seats", "seats"];
  const map = (seats: string) => [0, 1, 10, 11, 20, 30, 31, 32].map((seat) => Number(seats[seat]));
  const expected = [SEAT_SOLD, SEAT_SOLD, SEAT_FREE, SEAT_FREE, SEAT_HELD, SEAT_BLOCKED, SEAT_FREE, SEAT_BLOCKED];
  const check = async (t: Test, node: TestNode) => {
    for (const [i, [command]] of commands.entries()) {
      const again = await ask(node, showId, command);
      t.equal(wordOf(again), later[i], `${command.kind} again`);
      if (again.kind === "booking") t.ok(again.replayed, `${command.kind} was a replay`);
      const other = { ...command, operation: { ...command.operation, requestHash: -1 } } as Command;
      t.equal(wordOf(await ask(node, showId, other)), "idempotency_key_reused", `${command.kind} with another body`);
    }
    const elsewhere = confirm(holdIdOf(showId, left), session, { operation: reused(hold) });
    t.equal(wordOf(await ask(node, showId, elsewhere)), "idempotency_key_reused", "a hold's key confirms nothing");
    const otherBooking = confirm(holdIdOf(showId, left), session, {
      operation: reused(commands[4]?.[0] as typeof hold),
    });
    t.equal(
      wordOf(await ask(node, showId, otherBooking)),
      "idempotency_key_reused",
      "nor does another booking's payment's",
    );
    t.same(map(await seatsOf(node, showId)), expected);
    const { rows } = await database.pool.query("SELECT count(*)::int AS turns FROM show_log");
    t.equal(rows[0].turns, commands.length + 1, "nothing more was recorded");
  };

  const first = await startNode(t, database, "first");
  for (const [command, word] of commands) {
    t.equal(wordOf(await ask(first, showId, command)), word, command.kind);
  }
  await t.test("the same owner", (t) => check(t, first));
  t.same(first.errors(), []);
  await first.stop();
  t.equal(wordOf(await ask(first, showId, hold)), "store_unavailable", "a stopped node answers so");
  const second = await startNode(t, database, "second");
  await t.test("the next owner", (t) => check(t, second));
  second.crash();
  const third = await startNode(t, database, "third");
  await t.test("the owner after a crash", (t) => check(t, third));
  for (const session of [newSession()]) {
    const strange = { kind: "ReadBooking", session, bookingId: held } as const;
    t.equal(wordOf(await ask(third, showId, strange)), "not_found", "another session's booking is not there");
  }
  t.equal(wordOf(await ask(third, "nowhere" as ShowId, hold)), "not_found");
  t.same(third.errors(), []);
  await clean(t, database);
});

t.test("keys of days ago: a hold's row has one life, another key may be used again", async (t) => {
  const { database, showId } = await house();
  const session = newSession();
  const hold = placeHold(bySeats(0, 1), session);
  const block: Command = { kind: "BlockSeats", operation: newOperation(), seats: [5] };
  const unblock: Command = { kind: "UnblockSeats", operation: newOperation(), seats: [5] };
  const first = await startNode(t, database, "first");
  for (const command of [hold, confirm(holdIdOf(showId, hold), session), block, unblock])
    await ask(first, showId, command);
  await first.stop();
  const daysAgo = 3 * 86_400_000;
  await database.pool.query(
    `UPDATE booking SET created_at = created_at - $1::bigint, expires_at = expires_at - $1::bigint,
       booked_at = booked_at - $1::bigint,
       payment = jsonb_set(payment, '{deadlineAt}', to_jsonb((payment->>'deadlineAt')::bigint - $1::bigint))`,
    [daysAgo],
  );
  await database.pool.query("UPDATE operation SET at = at - $1::bigint", [daysAgo]);
  const second = await startNode(t, database, "second");
  t.equal(wordOf(await ask(second, showId, hold)), "booked", "its key still answers the booking");
  t.equal(wordOf(await ask(second, showId, block)), "seats", "the same key blocks again");
  t.equal(wordOf(await ask(second, showId, placeHold(bySeats(5)))), "seats_taken");
  t.equal(wordOf(await ask(second, showId, placeHold(bySeats(6)))), "held");
  t.same(second.errors(), []);
});

t.test("a booking's first answers carry what the API shows", async (t) => {
  const { database, showId } = await house();
  const node = await startNode(t, database);
  const session = newSession();
  const hold = bookingIn(await ask(node, showId, placeHold(bySeats(3, 4), session)));
  t.match(hold, { showId, session, status: "held", version: 2, seats: [3, 4], total: 2_400, currency: "USD" });
  t.equal(hold.expiresAt - hold.createdAt, 300_000);
  const extension = { kind: "ExtendHold", session, operation: newOperation(), bookingId: hold.id } as const;
  const extended = bookingIn(await ask(node, showId, extension));
  t.equal(extended.expiresAt - hold.createdAt, 600_000);
  const again = { ...extension, operation: newOperation() };
  t.equal(wordOf(await ask(node, showId, again)), "already_extended");
  const booked = bookingIn(await ask(node, showId, confirm(hold.id, session)));
  t.match(booked, { status: "booked", version: 4, reason: undefined });
  t.ok((booked.bookedAt as number) >= hold.createdAt);
});

t.test("every update a listener hears makes the seat map of the version it names", async (t) => {
  const { database, showId } = await house();
  const node = await startNode(t, database);
  const map = [...(await seatsOf(node, showId))].map(Number);
  let version = 1;
  node.port.onUpdate((update) => {
    if (update.previous > version) t.fail(`a gap from ${version} to ${update.previous}`);
    version = update.version;
    for (const [seat, status] of update.changes) map[seat] = status;
  });
  const sessions = Array.from({ length: 60 }, () => newSession());
  await Promise.all(
    sessions.map(async (session, i) => {
      const reply = await ask(node, showId, placeHold(byQuantity(1 + (i % 4)), session));
      if (reply.kind !== "booking") return;
      t.ok(version >= reply.booking.version, "heard before it was answered");
      const then: Command =
        i % 3 === 0
          ? { kind: "ReleaseHold", session, operation: newOperation(), bookingId: reply.booking.id }
          : confirm(reply.booking.id, session);
      await ask(node, showId, then);
    }),
  );
  t.equal(map.join(""), await seatsOf(node, showId));
  await clean(t, database);
});

t.test("changed terms hold for what comes after; loading a show records nothing", async (t) => {
  const { database, showId } = await house();
  const node = await startNode(t, database);
  await ask(node, showId, placeHold(bySeats(0)));
  await node.stop();
  const next = await startNode(t, database, "n2");
  await seatsOf(next, showId);
  await database.pool.query(`UPDATE show SET prices = '{"standard": 1500}'`);
  t.equal(wordOf(await ask(next, showId, { kind: "RefreshTerms" })), "done");
  const hold = bookingIn(await ask(next, showId, placeHold(bySeats(1))));
  t.equal(hold.total, 1_500);
  const log = await ask(next, showId, { kind: "ReadLog", after: 0, limit: 100 });
  const kinds = log.kind === "log" ? log.entries.flatMap((entry) => entry.events.map((event) => event.kind)) : [];
  t.same(kinds, ["ShowOpened", "HoldPlaced", "TermsChanged", "HoldPlaced"]);
  await clean(t, database);
});

t.test("deadlines outlive their owner, and move by the time in which there was none", async (t) => {
  const { database, showIds } = await house({ shows: 2, policies: { hold_ttl_s: 4, grace_s: 0 } });
  const [showId, other] = showIds as [ShowId, ShowId];
  const session = newSession();
  const first = await startNode(t, database, "first");
  const hold = bookingIn(await ask(first, showId, placeHold(bySeats(0), session)));
  const early = bookingIn(await ask(first, other, placeHold(bySeats(0), session)));
  await first.stop();

  // At once: nothing moves.
  const second = await startNode(t, database, "second");
  const kept = bookingIn(await ask(second, other, { kind: "ReadBooking", session, bookingId: early.id }));
  t.equal(kept.expiresAt, early.expiresAt, "a quick restart moves nothing");
  second.crash();

  // Half a minute with nobody: as the table of the store's life would show it.
  const gone = 30_000;
  await database.pool.query("UPDATE cell SET alive_at = alive_at - interval '30 s'");
  const third = await startNode(t, database, "third");
  const moved = bookingIn(await ask(third, showId, { kind: "ReadBooking", session, bookingId: hold.id }));
  const movedMs = moved.expiresAt - hold.expiresAt;
  t.ok(movedMs >= gone && movedMs < gone + 15_000, `moved by ${movedMs} ms`);
  t.match(await database.pool.query("SELECT 1 FROM show_log WHERE events LIKE '%DeadlinesMoved%'"), { rowCount: 2 });
  await third.stop();
  const fourth = await startNode(t, database, "fourth");
  const still = bookingIn(await ask(fourth, showId, { kind: "ReadBooking", session, bookingId: hold.id }));
  t.equal(still.expiresAt, moved.expiresAt, "moved once");
  await clean(t, database);
});

t.test("a hold nobody asks about expires at its moment, also under an owner who only found it", async (t) => {
  const { database, showId } = await house({ policies: { hold_ttl_s: 2, grace_s: 1 } });
  const session = newSession();
  const first = await startNode(t, database, "first");
  const hold = bookingIn(await ask(first, showId, placeHold(bySeats(0), session)));
  await first.stop();
  const second = await startNode(t, database, "second");
  const freedAt = new Promise<number>((resolve) => {
    second.port.onUpdate((update) => {
      if (update.changes.some(([seat, status]) => seat === 0 && status === SEAT_FREE)) resolve(second.clock.now());
    });
  });
  const lateMs = (await freedAt) - (hold.expiresAt + 1_000);
  t.ok(lateMs >= 0 && lateMs < 1_500, `${lateMs} ms after its deadline`);
  t.equal(wordOf(await ask(second, showId, confirm(hold.id, session))), "hold_expired");
  await clean(t, database);
});

t.test("stop answers everybody, commits what was taken, and leaves no connection", async (t) => {
  const { database, showIds } = await house({ shows: 20 });
  const node = await startNode(t, database, "stopped");
  const holds = Array.from({ length: 400 }, (_, i) => ({
    showId: showIds[i % showIds.length] as ShowId,
    command: placeHold(byQuantity(1)),
  }));
  const asked = holds.map(({ showId, command }) => node.port.ask(showId, command, ASK_MS));
  await asked[0];
  const stopping = node.stop();
  const replies = await Promise.all(asked);
  await stopping;
  t.ok(replies.every((reply) => reply.kind === "booking" || wordOf(reply) === "store_unavailable"));
  const { rows } = await database.pool.query<{ id: string }>("SELECT show_id || '.' || id AS id FROM booking");
  const stored = new Set(rows.map((row) => row.id));
  for (const [i, reply] of replies.entries()) {
    if (reply.kind === "booking" && !stored.has(reply.booking.id)) t.fail(`hold ${i} was acknowledged and is lost`);
  }
  await until("its connections are gone", () => hasNoConnection(database, "stopped"));
  await clean(t, database);
});

t.test("an allocator that cannot start leaves nothing behind", async (t) => {
  const { database } = await house();
  await database.pool.query("ALTER TABLE show_lease RENAME TO elsewhere");
  await t.rejects(startNode(t, database, "failed"), /show_lease/);
  await until("its connections are gone", () => hasNoConnection(database, "failed"));
});

t.test("a seat that somebody else has in the table: that show is quarantined, the others go on", async (t) => {
  const { database, showIds } = await house({ shows: 6 });
  const node = await startNode(t, database);
  const bad = showIds[2] as ShowId;
  const sessions = showIds.map(() => newSession());
  const holds = showIds.map((_, i) => placeHold(bySeats(7), sessions[i]));
  await Promise.all(holds.map((hold, i) => ask(node, showIds[i] as ShowId, hold)));
  await database.pool.query("INSERT INTO sold_seat VALUES ($1, 7, 'somebody else')", [bad]);
  const replies = await Promise.all(
    holds.map((hold, i) =>
      ask(node, showIds[i] as ShowId, confirm(holdIdOf(showIds[i] as ShowId, hold), sessions[i] as never)),
    ),
  );
  t.same(
    replies.map(wordOf),
    showIds.map((showId) => (showId === bad ? "show_quarantined" : "booked")),
  );
  t.equal(wordOf(await ask(node, bad, placeHold(bySeats(0)))), "show_quarantined");
  t.ok(
    node.errors().some((line) => line.show_id === bad && /quarantined/.test(line.msg)),
    "it is said aloud",
  );
  const { problems } = await auditCell(database.pool, database.pool);
  t.ok(
    problems.length > 0 && problems.every((problem) => problem.startsWith(`show ${bad}:`)),
    "the audit names it alone",
  );
});

t.test("5,000 people at once for one show of 200 seats: each seat once, everybody answered, and rightly", async (t) => {
  const { database, showId } = await house({ rows: 10, seatsPerRow: 20 });
  const node = await startNode(t, database);
  const holds = Array.from({ length: 5_000 }, (_, i) =>
    placeHold(i % 5 === 0 ? bySeats(i % 200) : byQuantity(1 + (i % 4))),
  );
  const startedAt = performance.now();
  const replies = await Promise.all(holds.map((hold) => node.port.ask(showId, hold, ASK_MS)));
  const tookMs = performance.now() - startedAt;
  const taken = new Set<number>();
  const words: Record<string, number> = {};
  for (const reply of replies) {
    words[wordOf(reply)] = (words[wordOf(reply)] ?? 0) + 1;
    if (reply.kind !== "booking") continue;
    for (const seat of reply.booking.seats) {
      if (taken.has(seat)) t.fail(`seat ${seat} was given twice`);
      taken.add(seat);
    }
  }
  t.equal(taken.size, 200, "all are held");
  t.same(Object.keys(words).sort(), ["held", "retry_held", "seats_taken"]);
  // Sold out, the same people hear that it is full.
  const booked = await Promise.all(
    replies.map((reply, i) =>
      reply.kind === "booking"
        ? ask(node, showId, confirm(reply.booking.id, (holds[i] as (typeof holds)[0]).session))
        : reply,
    ),
  );
  t.equal(booked.filter((reply) => wordOf(reply) === "booked").length, words.held);
  t.equal(wordOf(await ask(node, showId, placeHold(byQuantity(1)))), "show_full");
  t.comment({ tookMs: Math.round(tookMs), ...words });
  t.same(node.errors(), []);
  await clean(t, database);
});

t.test("ten thousand who ask for bookings that are not there keep nobody else waiting", async (t) => {
  const { database, showIds } = await house({ shows: 20 });
  const node = await startNode(t, database);
  await Promise.all(showIds.map((showId) => seatsOf(node, showId)));
  const reads = Array.from({ length: 10_000 }, (_, i) => {
    const showId = showIds[i % showIds.length] as ShowId;
    return node.port.ask(
      showId,
      { kind: "ReadBooking", session: newSession(), bookingId: holdIdOf(showId, placeHold(bySeats(0))) },
      60_000,
    );
  });
  const askedAt = performance.now();
  const hold = await askUntilAnswered(() => node.port, showIds[0] as ShowId, placeHold(byQuantity(1)));
  const heldMs = performance.now() - askedAt;
  t.equal(wordOf(hold), "held");
  t.same(node.port.unready(), []);
  const words = new Set((await Promise.all(reads)).map(wordOf));
  t.same([...words], ["not_found"]);
  const allMs = performance.now() - askedAt;
  t.ok(heldMs < allMs, `a lock took ${heldMs.toFixed(0)} ms, all of them ${allMs.toFixed(0)} ms`);
  t.same(
    node.lines.filter((line) => line.level >= 40),
    [],
    "no actor ended",
  );
});
