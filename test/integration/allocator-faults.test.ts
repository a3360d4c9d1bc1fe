// Goal: nothing acknowledged is lost, nothing is done twice, no seat belongs to two, whatever becomes of owners and
// connections. Method: guests with random commands, each repeated with its key until it is answered; owners that steal
// from one another, connections that are cut, allocators that are killed; then the history against the tables, and the
// audit.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { putOnSale, startNode, type TestNode } from "../harness/allocator.ts";
import { Guest, History } from "../harness/guests.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

interface Play {
  readonly shows: number;
  readonly guests: number;
  readonly seed: number;
  readonly node: () => TestNode;
  readonly isOver: () => boolean;
}

/** Shows of 200 seats. */
async function house(shows: number): Promise<TestDatabase> {
  const database = await pg.freshDatabase();
  await putOnSale(database.pool, { shows, rows: 10, seatsPerRow: 20 });
  return database;
}

async function play(database: TestDatabase, { shows, guests, seed, node, isOver }: Play): Promise<History> {
  const history = new History();
  const { rows } = await database.pool.query("SELECT show_id FROM show ORDER BY show_id");
  const ids = rows.slice(0, shows).map((row) => row.show_id);
  const people = Array.from(
    { length: guests },
    (_, i) => new Guest({ history, shows: ids, seats: 200, seed: seed + i, node }),
  );
  await Promise.all(people.map((guest) => guest.live(isOver)));
  return history;
}

const during = (ms: number): (() => boolean) => {
  const endsAt = performance.now() + ms;
  return () => performance.now() > endsAt;
};

async function check(t: Test, { pool }: TestDatabase, history: History, nodes: readonly TestNode[]): Promise<void> {
  t.same(await history.compare(pool), [], "the tables hold what was acknowledged, once");
  const audit = await auditCell(pool, pool);
  t.same(audit.problems, [], "the audit finds nothing");
  for (const node of nodes) t.same(node.errors(/does not answer/), [], `${node.nodeId} met no bug and no conflict`);
  t.ok((history.words.booked ?? 0) > 20, "there was something to lose");
  const { rows } = await pool.query("SELECT sum(epoch)::int AS claims FROM show_lease");
  t.comment({ ...history.words, retries: history.retries, turns: audit.turns, claims: rows[0].claims });
}

t.test("three owners steal the same shows from one another", async (t) => {
  const database = await house(6);
  const nodes = await Promise.all(["a", "b", "c"].map((nodeId) => startNode(t, database, nodeId)));
  const random = new SeededRandom(42);
  const node = () => random.pick(nodes);
  const history = await play(database, { shows: 6, guests: 60, seed: 1_000, node, isOver: during(2_500) });
  await check(t, database, history, nodes);
  const { rows } = await database.pool.query("SELECT sum(epoch)::int AS claims FROM show_lease");
  t.ok(rows[0].claims > 100, `${rows[0].claims} claims`);
});

t.test("connections are cut while fifty people book", async (t) => {
  const database = await house(6);
  const node = await startNode(t, database);
  const isOver = during(2_500);
  let cut = 0;
  const cutting = (async () => {
    while (!isOver()) {
      const { rowCount } = await database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name LIKE 'usher allocator%' AND datname = current_database() AND random() < 0.3`,
      );
      cut += rowCount ?? 0;
      await sleepMs(30, systemTimers);
    }
  })();
  const history = await play(database, { shows: 6, guests: 50, seed: 2_000, node: () => node, isOver });
  await cutting;
  await check(t, database, history, [node]);
  t.ok(cut > 20, `${cut} connections were cut`);
  t.ok(
    node.lines.some((line) => line.msg === "actor ended" && line.cause === "unknown"),
    "outcomes were unknown",
  );
});

t.test("allocators are killed and others take over", async (t) => {
  const database = await house(3);
  const random = new SeededRandom(7);
  const nodes = [await startNode(t, database, "k0")];
  const isOver = during(5_000);
  const killing = (async () => {
    while (!isOver()) {
      await sleepMs(50 + random.below(350), systemTimers);
      const old = nodes.at(-1) as TestNode;
      // Half of them before the next is there, half while two believe that they own everything.
      if (random.below(2) === 0) old.crash();
      nodes.push(await startNode(t, database, `k${nodes.length}`));
      if (random.below(5) > 0) old.crash();
    }
  })();
  const history = await play(database, {
    shows: 3,
    guests: 20,
    seed: 3_000,
    node: () => nodes.at(-1) as TestNode,
    isOver,
  });
  await killing;
  t.ok(nodes.length > 8, `${nodes.length} allocators`);
  await check(t, database, history, nodes);
});
