// Goal: the rows of the line. What was committed is found again to the digit, in order; nothing of a fenced owner is
// written, a finished row is never overwritten, an unknown outcome is found out by loading. Method: the real journal on
// a real server, with entries of turns of the core.

import t, { type Test } from "tap";
import { Batch } from "../../allocator/actor/batch.ts";
import { loadShow } from "../../allocator/actor/load-show.ts";
import type { ShowCommand } from "../../allocator/core/command.ts";
import { compileHall } from "../../allocator/core/hall.ts";
import { violations } from "../../allocator/core/invariants.ts";
import type { ShowState } from "../../allocator/core/state.ts";
import { takeTurn } from "../../allocator/core/turn.ts";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ClaimedShow, CommitEntry } from "../../allocator/journal/journal.ts";
import { PostgresJournal } from "../../allocator/journal/postgres-journal.ts";
import { type OperationId, operationOf, type ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { isWaiting } from "../../waitlist/core/waiter.ts";
import {
  bySeats,
  holdIdOf,
  InLine,
  joinLine,
  newOperation,
  placeHold,
  putOnSale,
  release,
  waiterIdIn,
} from "../harness/allocator.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const DEFAULTS = { holdTtlMs: 300_000, graceMs: 5_000, offerTtlMs: 120_000 };
const RULES = { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments: true };
const NONE = { booking: undefined, waiter: undefined, operation: undefined };

const pg = await startTestPostgres(t);

const journalOn = (cell: Pool): PostgresJournal =>
  new PostgresJournal({
    cell,
    catalogue: cell,
    beats: cell,
    owner: "n1",
    view: () => 0,
    defaults: DEFAULTS,
    log: silentLog(),
  });

/** A show of ten seats in a row, all held by holds of two. */
async function fullHouse(shows = 1) {
  const database = await pg.freshDatabase();
  // No beats here: a cell that is taken for alive as long as the test runs.
  await database.pool.query("UPDATE cell SET alive_at = clock_timestamp() + interval '1 hour'");
  const showIds = await putOnSale(database.pool, { shows, rows: 1, seatsPerRow: 10 });
  const journal = journalOn(database.pool);
  const owners: Owner[] = [];
  const holds = [0, 2, 4, 6, 8].map((seat) => placeHold(bySeats(seat, seat + 1)));
  for (const showId of showIds) {
    const owner = await Owner.of(journal, showId);
    await owner.commit(...holds);
    owners.push(owner);
  }
  const giveUp = (i: number): ShowCommand => {
    const hold = holds[i] as (typeof holds)[0];
    return release(holdIdOf(showIds[0] as ShowId, hold), hold.session);
  };
  return { database, journal, owners, owner: owners[0] as Owner, showId: showIds[0] as ShowId, giveUp };
}

/** A claimed show in memory, and what its actor would commit. */
class Owner {
  readonly claimed: ClaimedShow;
  readonly state: ShowState;
  readonly #journal: PostgresJournal;

  private constructor(journal: PostgresJournal, claimed: ClaimedShow, state: ShowState) {
    this.#journal = journal;
    this.claimed = claimed;
    this.state = state;
  }

  static async of(journal: PostgresJournal, showId: ShowId): Promise<Owner> {
    const claimed = (await journal.claim([showId])).get(showId);
    if (typeof claimed !== "object") throw new Error(`${showId} was not claimed: ${claimed}`);
    const hall = compileHall(await journal.layout(claimed.layoutId));
    return new Owner(journal, claimed, loadShow(claimed, hall, Date.now()));
  }

  entry(...commands: readonly ShowCommand[]): CommitEntry {
    const { state, claimed } = this;
    const batch = new Batch();
    for (const command of commands) {
      const now = Math.max(Date.now(), state.lastAt);
      const turn = takeTurn(state, command, { now, rules: RULES, paymentsAvailable: true, looked: true });
      if (turn.events.length === 0) throw new Error(`${command.kind}: ${JSON.stringify(turn.decision)}`);
      batch.add(turn, state);
    }
    return batch.toEntry(state, claimed.epoch);
  }

  async commit(...commands: readonly ShowCommand[]): Promise<void> {
    const [outcome] = await this.#journal.commit([this.entry(...commands)]);
    if (outcome !== "committed") throw new Error(`the entry is ${outcome}`);
  }
}

async function clean(t: Test, pool: Pool): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, [], "the audit finds nothing");
}

const inOrder = (state: ShowState) =>
  [...(state.line?.all() ?? [])].filter(isWaiting).sort((a, b) => a.place - b.place);

t.test("one batch or many: the line, its offers and versions are found as they were, in order", async (t) => {
  for (const isOneBatch of [true, false]) {
    const { database, journal, owner, showId, giveUp } = await fullHouse();
    const joins = Array.from({ length: 8 }, (_, i) =>
      joinLine(2, undefined, { accessible: i % 2 === 0, contiguous: i % 3 === 0 }),
    );
    const line = joins.map((join) => new InLine(showId, join)) as [InLine, InLine, InLine, InLine, InLine];
    const commands: ShowCommand[] = [
      ...joins,
      line[2].leave(),
      line[3].lower(1),
      giveUp(0),
      line[0].accept(),
      giveUp(1),
      line[1].decline(),
      giveUp(2),
    ];
    if (isOneBatch) await owner.commit(...commands);
    else for (const command of commands) await owner.commit(command);
    const next = await Owner.of(journal, showId);
    t.same(next.claimed.waiters, inOrder(owner.state));
    t.same(
      next.claimed.waiters.map(({ status }) => status),
      ["offered", "offered", "waiting", "waiting", "waiting"],
    );
    t.ok(next.claimed.waiters.every(({ offer }) => offer === undefined || offer.graceMs === DEFAULTS.graceMs));
    t.same(violations(next.state), []);
    const known = new Set(next.claimed.rowIds);
    t.ok(
      joins.every(({ operation }) => known.has(operation.id)),
      "the keys of all who ever joined are known",
    );
    t.equal(known.size, 5 + 8 + 1);
    await clean(t, database.pool);
  }
});

t.test("only the shows asked for; a show without a line has none", async (t) => {
  const { database, journal, owners } = await fullHouse(3);
  const joins = [joinLine(1), joinLine(2)];
  await owners[0]?.commit(joins[0] as ShowCommand);
  await owners[2]?.commit(joins[1] as ShowCommand);
  const showIds = owners.map(({ claimed }) => claimed.showId);
  const claimed = await journal.claim(showIds);
  t.same(
    showIds.map((showId) => {
      const found = claimed.get(showId);
      return typeof found === "object" && found.waiters.map(({ quantity }) => quantity);
    }),
    [[1], [], [2]],
  );
  t.same(new Set(await journal.activeShows(10)), new Set(showIds));
  await clean(t, database.pool);
});

t.test(
  "cold rows: a waiter by its id and by the key it joined with; what it was asked later by that key",
  async (t) => {
    const { journal, owner, showId } = await fullHouse();
    const join = joinLine(2);
    const own = new InLine(showId, join);
    const leave = own.leave();
    await owner.commit(join, leave);
    const finished = { id: own.waiterId, status: "cancelled", place: 7 };
    const nobody = newOperation().id;
    const rows = await journal.cold([
      { showId, ...NONE, waiter: own.waiterId },
      { showId, ...NONE, operation: join.operation.id },
      { showId, ...NONE, waiter: own.waiterId, operation: leave.operation.id },
      { showId, ...NONE, waiter: waiterIdIn(showId, joinLine(1)), operation: nobody },
      { showId: "elsewhere" as ShowId, ...NONE, waiter: own.waiterId, operation: join.operation.id },
    ]);
    const nothing = {
      waiter: undefined,
      operation: undefined,
      operationBooking: undefined,
      operationWaiter: undefined,
    };
    t.match(rows, [
      { ...nothing, waiter: finished },
      { ...nothing, operationWaiter: finished },
      { ...nothing, waiter: finished, operation: { subject: own.waiterId } },
      nothing,
      nothing,
    ]);
    t.same(rows[0]?.waiter, owner.state.line?.get(own.waiterId), "to the digit");
  },
);

t.test("a finished place is never overwritten by one that has its key", async (t) => {
  const { database, journal, owner, showId } = await fullHouse();
  const join = joinLine(2);
  await owner.commit(join, new InLine(showId, join).leave());
  const before = await database.pool.query("SELECT * FROM waiter");
  // What an owner would write that had forgotten the key.
  const forgetful = await Owner.of(journal, showId);
  t.same(await journal.commit([forgetful.entry({ ...join, quantity: 1 })]), ["conflict"]);
  t.same((await database.pool.query("SELECT * FROM waiter")).rows, before.rows);
  await clean(t, database.pool);
});

t.test("the entry to blame is found among those with waiters and those without", async (t) => {
  const { journal, owners } = await fullHouse(8);
  const bad = owners[5] as Owner;
  const twice = joinLine(1);
  await bad.commit(twice, new InLine(bad.claimed.showId, twice).leave());
  const forgetful = await Owner.of(journal, bad.claimed.showId);
  const entries = owners.map((owner, i) => {
    if (i === 5) return forgetful.entry(twice);
    return i % 2 === 0 ? owner.entry(joinLine(1)) : owner.entry({ kind: "ChangeTerms", terms: owner.state.terms });
  });
  t.same(
    await journal.commit(entries),
    owners.map((_, i) => (i === 5 ? "conflict" : "committed")),
  );
});

t.test("a fenced owner writes nothing of its line", async (t) => {
  const { database, journal, owner, showId, giveUp } = await fullHouse();
  const join = joinLine(2);
  await owner.commit(join);
  const next = await Owner.of(journal, showId);
  const before = await database.pool.query("SELECT * FROM waiter");
  t.same(await journal.commit([owner.entry(joinLine(1), giveUp(0))]), ["fenced"]);
  t.same((await database.pool.query("SELECT * FROM waiter")).rows, before.rows);
  await next.commit(giveUp(0));
  t.match((await Owner.of(journal, showId)).claimed.waiters, [{ status: "offered", offer: { seats: [0, 1] } }]);
  await clean(t, database.pool);
});

t.test("after an outage all places move by one statement, and a change in the same entry is kept", async (t) => {
  const { database, journal, owners, showId, giveUp } = await fullHouse(2);
  const [owner, other] = owners as [Owner, Owner];
  const joins = Array.from({ length: 6 }, () => joinLine(2));
  const line = joins.map((join) => new InLine(showId, join)) as [InLine, InLine, InLine, InLine, InLine, InLine];
  await owner.commit(...joins, giveUp(0), line[5].leave());
  await other.commit(joinLine(1));
  const before = inOrder(owner.state).map((waiter) => ({ ...waiter }));
  const next = await Owner.of(journal, showId);
  const move: ShowCommand = { kind: "MoveDeadlines", byMs: 7_000, outageId: 1 };
  const entry = next.entry(move, line[2].leave(), line[3].lower(1), joinLine(1), { ...move, byMs: 500, outageId: 2 });
  t.ok(entry.waiters.length < 6, "not by the rows' images");
  t.same(await journal.commit([entry]), ["committed"]);
  const after = (await Owner.of(journal, showId)).claimed.waiters;
  t.same(after, inOrder(next.state));
  t.same(
    after.map(({ expiresAt }) => expiresAt),
    [...before.filter(({ id }) => id !== line[2].waiterId), after.at(-1)].map((waiter, i) =>
      i === 4 ? (waiter?.expiresAt ?? 0) : (waiter?.expiresAt ?? 0) + 7_500,
    ),
  );
  t.equal(after[0]?.offer?.expiresAt, (before[0]?.offer?.expiresAt ?? 0) + 7_500);
  t.equal(after.at(-1)?.expiresAt, (after.at(-1)?.joinedAt ?? 0) + 3_600_000 + 500);
  await database.pool.query(
    "INSERT INTO outage (began_at, ended_at, length_ms) SELECT now(), now(), 0 FROM generate_series(1, 2)",
  );
  await clean(t, database.pool);
});

t.test("text that needs care: ids that read as NULL, quotes and backslashes", async (t) => {
  const { database, journal, owner, showId } = await fullHouse();
  const id = 'NULL,"{}\\'.padEnd(22, "x") as OperationId;
  const session = "NULL" as ReturnType<typeof joinLine>["session"];
  await owner.commit(joinLine(1, session, { operation: { id, requestHash: 7 } }));
  const { waiters } = (await Owner.of(journal, showId)).claimed;
  t.match(waiters, [{ session: "NULL", requestHash: 7, holdId: undefined, offer: undefined }]);
  t.equal(operationOf((waiters[0] as (typeof waiters)[0]).id), id);
  await clean(t, database.pool);
});
