// Goal: the fence, the claim and the unknown outcome, each in the one interleaving that breaks what is built less
// carefully. Method: statements of the real journal on a real server, paused where a row lock of the test makes them
// wait. `unlockedFence` is the mutation these tests have to catch.

import t, { type Test } from "tap";
import { Batch } from "../../allocator/actor/batch.ts";
import { loadShow } from "../../allocator/actor/load-show.ts";
import type { ShowCommand } from "../../allocator/core/command.ts";
import { compileHall } from "../../allocator/core/hall.ts";
import { takeTurn } from "../../allocator/core/turn.ts";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ClaimedShow, CommitEntry } from "../../allocator/journal/journal.ts";
import { PostgresJournal } from "../../allocator/journal/postgres-journal.ts";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { createPool, type Pool, type PoolClient } from "../../shared/platform/postgres.ts";
import {
  bySeats,
  confirm,
  holdIdOf,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  until,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const DEFAULTS = { holdTtlMs: 300_000, graceMs: 5_000, offerTtlMs: 120_000 };
const RULES = { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments: true };

const pg = await startTestPostgres(t);

function journalOn(
  cell: Pool,
  owner: string,
  options: { view?: number; unlockedFence?: boolean } = {},
): PostgresJournal {
  return new PostgresJournal({
    cell,
    catalogue: cell,
    beats: cell,
    owner,
    view: () => options.view ?? 0,
    defaults: DEFAULTS,
    log: silentLog(),
    unlockedFence: options.unlockedFence ?? false,
  });
}

function poolOf(t: Test, database: TestDatabase, applicationName: string): Pool {
  const pool = createPool({
    url: database.url,
    max: 4,
    applicationName,
    statementTimeoutMs: 0,
    connectTimeoutMs: 5_000,
  });
  t.teardown(() => pool.end());
  return pool;
}

async function claimOne(journal: PostgresJournal, showId: ShowId): Promise<ClaimedShow> {
  const claimed = (await journal.claim([showId])).get(showId);
  if (typeof claimed !== "object") throw new Error(`${showId} was not claimed: ${claimed}`);
  return claimed;
}

/** What an actor of the claimed show would commit after these turns. */
async function entryOf(
  journal: PostgresJournal,
  claimed: ClaimedShow,
  commands: readonly ShowCommand[],
): Promise<CommitEntry> {
  const state = loadShow(claimed, compileHall(await journal.layout(claimed.layoutId)), Date.now());
  const batch = new Batch();
  for (const command of commands) {
    const now = Math.max(Date.now(), state.lastAt);
    const turn = takeTurn(state, command, { now, rules: RULES, paymentsAvailable: true, looked: true });
    if (turn.events.length === 0) throw new Error(`${command.kind}: ${JSON.stringify(turn.decision)}`);
    batch.add(turn, state);
  }
  return batch.toEntry(state, claimed.epoch);
}

/** A transaction of the test's own, and a journal within it. */
async function transaction(
  database: TestDatabase,
): Promise<{ client: PoolClient; inside: Pool; commit: () => Promise<void> }> {
  const client = await database.pool.connect();
  await client.query("BEGIN");
  const inside = { query: client.query.bind(client) } as unknown as Pool;
  const commit = async (): Promise<void> => {
    await client.query("COMMIT");
    client.release();
  };
  return { client, inside, commit };
}

/** Statements of this application that wait for a lock. */
async function waitingStatements(database: TestDatabase, applicationName: string): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'",
    [applicationName],
  );
  return rows.length;
}

async function house(t: Test, options: Parameters<typeof putOnSale>[1] = {}) {
  const database = await pg.freshDatabase();
  // No beats here: a cell that is taken for alive as long as the test runs.
  await database.pool.query("UPDATE cell SET alive_at = clock_timestamp() + interval '1 hour'");
  const showIds = await putOnSale(database.pool, options);
  return { database, showIds, showId: showIds[0] as ShowId, old: poolOf(t, database, "old owner") };
}

/** The old owner's commit reads the lease, then a new owner claims (and writes), then the commit goes on. */
async function stolenInBetween(t: Test, { unlockedFence, isWritten }: { unlockedFence: boolean; isWritten: boolean }) {
  const { database, showId, old } = await house(t);
  const oldOwner = journalOn(old, "old", { unlockedFence });
  const claimed = await claimOne(oldOwner, showId);
  const late = await entryOf(oldOwner, claimed, [placeHold(bySeats(1))]);

  const { inside, commit } = await transaction(database);
  const newOwner = journalOn(inside, "new");
  const taken = await claimOne(newOwner, showId);
  if (isWritten) {
    const own = await entryOf(newOwner, taken, [placeHold(bySeats(1))]);
    t.same(await newOwner.commit([own]), ["committed"]);
  }
  const outcome = oldOwner.commit([late]);
  await until("the old owner's statement waits", async () => (await waitingStatements(database, "old owner")) === 1);
  await commit();
  const after = journalOn(database.pool, "new");
  const outcomes = await outcome;
  const { seq } = await claimOne(after, showId);
  return { outcomes, claimedSeq: taken.seq, seq, audit: await auditCell(database.pool, database.pool) };
}

t.test("a commit under way when its show is claimed is fenced: nothing is written behind a claim", async (t) => {
  const { outcomes, claimedSeq, seq, audit } = await stolenInBetween(t, { unlockedFence: false, isWritten: false });
  t.same(outcomes, ["fenced"]);
  t.equal(seq, claimedSeq, "what the claim found is final");
  t.same(audit.problems, []);
});

t.test("caught: without the lock it is written behind the claim", async (t) => {
  const { outcomes, claimedSeq, seq } = await stolenInBetween(t, { unlockedFence: true, isWritten: false });
  t.same(outcomes, ["committed"]);
  t.equal(seq, claimedSeq + 1);
});

t.test("a commit under way when its show is claimed and written is fenced, and not a conflict", async (t) => {
  const { outcomes, audit } = await stolenInBetween(t, { unlockedFence: false, isWritten: true });
  t.same(outcomes, ["fenced"]);
  t.same(audit.problems, []);
});

t.test("caught: without the lock it doubles a position, and a healthy show would be quarantined", async (t) => {
  const { outcomes } = await stolenInBetween(t, { unlockedFence: true, isWritten: true });
  t.same(outcomes, ["conflict"]);
});

t.test("a claim waits for a commit under way, and then sees it", async (t) => {
  const { database, showId, old } = await house(t);
  const oldOwner = journalOn(old, "old");
  const claimed = await claimOne(oldOwner, showId);
  const entry = await entryOf(oldOwner, claimed, [placeHold(bySeats(1, 2))]);
  const { inside, commit } = await transaction(database);
  t.same(await journalOn(inside, "old").commit([entry]), ["committed"]);
  const next = poolOf(t, database, "new owner");
  const claiming = claimOne(journalOn(next, "new"), showId);
  await until("the claim waits", async () => (await waitingStatements(database, "new owner")) === 1);
  await commit();
  t.match(await claiming, {
    epoch: claimed.epoch + 1,
    seq: 2,
    seats: /^0110/,
    bookings: [{ status: "held", seats: [1, 2] }],
  });
});

t.test("a claim that is overtaken by another while it loads is no claim", async (t) => {
  const { database, showId } = await house(t);
  let overtake = async (): Promise<void> => undefined;
  const slow = {
    query: async (query: { name?: string }) => {
      if (query.name === "load-bookings") await overtake();
      return database.pool.query(query as never);
    },
  } as unknown as Pool;
  overtake = async () => {
    overtake = async () => undefined;
    const other = journalOn(database.pool, "other");
    const claimed = await claimOne(other, showId);
    t.same(await other.commit([await entryOf(other, claimed, [placeHold(bySeats(3))])]), ["committed"]);
  };
  const claimed = (await journalOn(slow, "slow").claim([showId])).get(showId);
  t.equal(claimed, "newer_view", "its seat map and its bookings would be of different moments");
});

t.test("a node with an older view of the cluster cannot claim what one with a newer has", async (t) => {
  const { database, showId } = await house(t);
  const { epoch } = await claimOne(journalOn(database.pool, "new", { view: 2 }), showId);
  const found = await journalOn(database.pool, "old", { view: 1 }).claim([showId, "nowhere" as ShowId]);
  t.same(
    [...found],
    [
      [showId, "newer_view"],
      ["nowhere", "unknown_show"],
    ],
  );
  t.equal((await claimOne(journalOn(database.pool, "new", { view: 2 }), showId)).epoch, epoch + 1);
});

t.test(
  "ten nodes open the same new shows at once: each show is opened once, each claim has its own epoch",
  async (t) => {
    const { database, showIds } = await house(t, { shows: 50 });
    const pools = Array.from({ length: 10 }, (_, i) => poolOf(t, database, `opener ${i}`));
    const found = await Promise.all(pools.map((pool, i) => journalOn(pool, `n${i}`).claim(showIds)));
    for (const showId of showIds) {
      const claims = found.map((claims) => claims.get(showId)).filter((claim) => typeof claim === "object");
      t.equal(new Set(claims.map((claim) => claim.epoch)).size, claims.length, `${claims.length} claims of ${showId}`);
      t.ok(claims.length > 0);
    }
    const { rows } = await database.pool.query("SELECT count(*)::int AS n FROM show_log WHERE seq = 1");
    t.equal(rows[0].n, 50);
    t.same((await auditCell(database.pool, database.pool)).problems, []);
  },
);

t.test("a statement whose client died still commits: the next claim waits for it and sees it", async (t) => {
  const { database, showId, old } = await house(t);
  const sockets: { destroy(): void }[] = [];
  old.on("connect", (client) => {
    sockets.push((client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream);
  });
  const oldOwner = journalOn(old, "old");
  const claimed = await claimOne(oldOwner, showId);
  const hold = placeHold(bySeats(4));
  const entry = await entryOf(oldOwner, claimed, [hold]);
  const { client, commit } = await transaction(database);
  await client.query("SELECT 1 FROM show_lease WHERE show_id = $1 FOR UPDATE", [showId]);
  const outcome = oldOwner.commit([entry]);
  await until("the commit waits", async () => (await waitingStatements(database, "old owner")) === 1);
  for (const socket of sockets) socket.destroy();
  t.same(await outcome, ["unknown"], "nobody can know");
  const next = poolOf(t, database, "new owner");
  const claiming = claimOne(journalOn(next, "new"), showId);
  await until("the claim waits", async () => (await waitingStatements(database, "new owner")) === 1);
  await commit();
  t.match(await claiming, { seq: 2, bookings: [{ id: holdIdOf(showId, hold), status: "held" }] });
  t.same((await auditCell(database.pool, database.pool)).problems, []);
});

t.test("the entry to blame is found among many; the others are committed, each once", async (t) => {
  const { database, showIds } = await house(t, { shows: 37 });
  const journal = journalOn(database.pool, "n1");
  const claims = await journal.claim(showIds);
  const bad = new Set([showIds[5], showIds[36]]);
  const entries: CommitEntry[] = [];
  for (const showId of showIds) {
    const session = newSession();
    const hold = placeHold(bySeats(7), session);
    const book = confirm(holdIdOf(showId, hold), session);
    entries.push(await entryOf(journal, claims.get(showId) as ClaimedShow, [hold, book]));
  }
  for (const showId of bad) {
    await database.pool.query("INSERT INTO sold_seat VALUES ($1, 7, 'somebody else')", [showId]);
  }
  const outcomes = await journal.commit(entries);
  t.same(
    outcomes,
    showIds.map((showId) => (bad.has(showId) ? "conflict" : "committed")),
  );
  const { rows } = await database.pool.query<{ show_id: ShowId }>(
    "SELECT show_id FROM booking WHERE status = 'booked'",
  );
  t.same(new Set(rows.map((row) => row.show_id)), new Set(showIds.filter((showId) => !bad.has(showId))));
});

t.test("what cannot be stored is its own show's fault too", async (t) => {
  const { database, showIds } = await house(t, { shows: 4 });
  const journal = journalOn(database.pool, "n1");
  const claims = await journal.claim(showIds);
  const entries: CommitEntry[] = [];
  for (const [i, showId] of showIds.entries()) {
    const session = (i === 2 ? "a NUL \0 byte" : newSession()) as ReturnType<typeof newSession>;
    entries.push(await entryOf(journal, claims.get(showId) as ClaimedShow, [placeHold(bySeats(7), session)]));
  }
  t.same(await journal.commit(entries), ["committed", "committed", "conflict", "committed"]);
});

t.test("a batch writes each row's last image only", async (t) => {
  const { database, showId } = await house(t);
  const journal = journalOn(database.pool, "n1");
  const session = newSession();
  const first = placeHold(bySeats(0), session);
  const second = placeHold(bySeats(0, 1), session);
  const firstId = holdIdOf(showId, first);
  const secondId = holdIdOf(showId, second);
  const cancel = (bookingId: BookingId): ShowCommand => ({
    kind: "CancelBooking",
    session,
    operation: newOperation(),
    bookingId,
  });
  const commands: ShowCommand[] = [
    first,
    confirm(firstId, session),
    cancel(firstId),
    second,
    { kind: "ExtendHold", session, operation: newOperation(), bookingId: secondId },
    confirm(secondId, session),
  ];
  const claimed = await claimOne(journal, showId);
  t.same(await journal.commit([await entryOf(journal, claimed, commands)]), ["committed"]);
  t.same((await auditCell(database.pool, database.pool)).problems, []);
  // Sold before this batch, given back, and sold again in it: one row, changed.
  const again = await claimOne(journal, showId);
  const third = placeHold(bySeats(1, 2), session);
  const state = [cancel(secondId), third, confirm(holdIdOf(showId, third), session)];
  const [cold] = await journal.cold([{ showId, booking: secondId, waiter: undefined, operation: undefined }]);
  const warm = { ...again, bookings: [...again.bookings, ...(cold?.booking ? [cold.booking] : [])] };
  t.same(await journal.commit([await entryOf(journal, warm, state)]), ["committed"]);
  const { rows } = await database.pool.query("SELECT seat FROM sold_seat ORDER BY seat");
  t.same(rows, [{ seat: 1 }, { seat: 2 }]);
  t.same((await auditCell(database.pool, database.pool)).problems, []);
});

t.test("cold rows: a booking by its id, by what placed it, by what paid it; an operation by its id", async (t) => {
  const { database, showId } = await house(t);
  const journal = journalOn(database.pool, "n1");
  const session = newSession();
  const hold = placeHold(bySeats(0), session);
  const bookingId = holdIdOf(showId, hold);
  const pay = confirm(bookingId, session);
  const block: ShowCommand = { kind: "BlockSeats", operation: newOperation(), seats: [5, 6] };
  await journal.commit([await entryOf(journal, await claimOne(journal, showId), [hold, pay, block])]);
  const none = { booking: undefined, waiter: undefined, operation: undefined };
  const nobodys = { booking: holdIdOf(showId, placeHold(bySeats(0))), operation: newOperation().id };
  const rows = await journal.cold([
    { showId, ...none, booking: bookingId },
    { showId, ...none, operation: hold.operation.id },
    { showId, ...none, operation: pay.operation.id },
    { showId, ...none, booking: bookingId, operation: block.operation.id },
    { showId, ...none, ...nobodys },
    { showId: "elsewhere" as ShowId, ...none, booking: bookingId, operation: pay.operation.id },
  ]);
  const booked = { id: bookingId, status: "booked" };
  t.match(rows, [
    { booking: booked, operation: undefined },
    { operationBooking: booked },
    { operationBooking: booked },
    { booking: booked, operation: { subject: [5, 6] }, operationBooking: undefined },
    { booking: undefined, operation: undefined, operationBooking: undefined },
    { booking: undefined, operation: undefined, operationBooking: undefined },
  ]);
  t.same(await journal.cold([]), []);
  const { rowIds, operationIds } = await claimOne(journal, showId);
  t.same(rowIds, [hold.operation.id]);
  t.same(new Set(operationIds), new Set([pay.operation.id, block.operation.id]));
});

t.test("turns from before an outage are not written after it", async (t) => {
  const { database, showId, old } = await house(t);
  const journal = journalOn(old, "owner");
  const entry = await entryOf(journal, await claimOne(journal, showId), [placeHold(bySeats(1))]);

  await database.pool.query("UPDATE cell SET alive_at = clock_timestamp() - interval '2.5 s'");
  t.same(await journal.commit([entry]), ["fenced"], "the outage is not recorded yet: the last beat is too old");

  const { outageId } = await journal.beat();
  t.ok(outageId > 0, "the beat that ends it records it");
  t.same(await journal.commit([entry]), ["fenced"], "the entry does not know of the outage");

  const again = await claimOne(journal, showId);
  t.same(again.seq, entry.previousSeq, "nothing of it was written");
  const informed = { ...(await entryOf(journal, again, [placeHold(bySeats(1))])), outageId };
  await journal.beat();
  t.same(await journal.commit([informed]), ["committed"], "an owner that knows of it goes on");
});

t.test("a booking is never overwritten by another with its id", async (t) => {
  const { database, showId, old } = await house(t);
  const journal = journalOn(old, "owner");
  const hold = placeHold(bySeats(1));
  const first = await entryOf(journal, await claimOne(journal, showId), [
    hold,
    confirm(holdIdOf(showId, hold), hold.session),
  ]);
  t.same(await journal.commit([first]), ["committed"]);
  const before = await database.pool.query("SELECT * FROM booking");

  // What an owner would write that had forgotten the key.
  const claimed = await claimOne(journal, showId);
  const forgetful = await entryOf(journal, { ...claimed, rowIds: [], operationIds: [] }, [
    { ...hold, choice: bySeats(5) },
  ]);
  const other = { ...forgetful, bookings: forgetful.bookings.map((row) => ({ ...row, createdAt: row.createdAt + 1 })) };
  t.same(await journal.commit([other]), ["conflict"]);
  t.same((await database.pool.query("SELECT * FROM booking")).rows, before.rows);
});
