// Goal: the statements say what the fake of the tests says: who is judged dead and by what witness, whose place is whose.
// Method: real Postgres, and a node's lock on a connection of its own.

import pg from "pg";
import t, { type Test } from "tap";
import { NODE_LOCK_SPACE, nodeLockKey, PostgresMembershipStore } from "../../allocator/cluster/membership-store.ts";
import type { Member } from "../../shared/cluster/view.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const server = await startTestPostgres(t);

async function house(t: Test) {
  const database = await server.freshDatabase();
  const store = new PostgresMembershipStore(database.pool);
  const lock = async (nodeId: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query("SELECT pg_advisory_lock($1::integer, $2::integer)", [NODE_LOCK_SPACE, nodeLockKey(nodeId)]);
    return client;
  };
  /** As if its last beat were so long ago. */
  const age = (nodeId: string, ms: number) =>
    database.pool.query("UPDATE node SET hb_at = clock_timestamp() - $2 * interval '1 ms' WHERE node_id = $1", [
      nodeId,
      ms,
    ]);
  const incarnation = await store.join("a");
  const member: Member = { nodeId: "a", incarnation, state: "up" };
  const grounds = async (withinMs = 60_000) => {
    const judge = await store.join("judge");
    return { staleMs: 30_000, untilStoreMs: (await store.beat("judge", judge)).storeNowMs + withinMs };
  };
  const held = await lock("a");
  t.teardown(() => held.end());
  return { store, lock, age, member, grounds, held };
}

t.test("a node is dead by an old heartbeat or by a lock that nobody holds, else it lives", async (t) => {
  const { store, age, member, grounds, held } = await house(t);
  t.equal(await store.judge(member, await grounds()), "alive");
  await age("a", 31_000);
  t.equal(await store.judge(member, await grounds()), "dead");
  t.equal((await store.beat("a", 1)).isAlive, false, "and stays so");

  const second: Member = { ...member, incarnation: await store.join("a") };
  t.equal(second.incarnation, 2);
  t.equal(await store.judge(second, await grounds()), "alive");
  t.equal(await store.judge(member, await grounds()), "dead", "its first life is over");
  await held.end();
  let verdict = "alive";
  for (let i = 0; verdict === "alive" && i < 1_000; i += 1) verdict = await store.judge(second, await grounds());
  t.equal(verdict, "dead");
});

t.test("a judgement that comes too late by the store's clock sets nobody dead", async (t) => {
  const { store, age, member, grounds } = await house(t);
  await age("a", 31_000);
  t.equal(await store.judge(member, await grounds(-1)), "alive");
  t.equal((await store.beat("a", 1)).isAlive, true);
});

t.test("the view is changed by whoever knows it, once; it comes back as it was written", async (t) => {
  const { store, member } = await house(t);
  const { version } = await store.view();
  const changes = await Promise.all(Array.from({ length: 8 }, () => store.changeView(version, [member])));
  t.equal(changes.filter((isDone) => isDone).length, 1);
  const view = await store.view();
  t.equal(view.version, version + 1);
  t.equal(JSON.stringify(view.members), JSON.stringify([member]), "the same again is no change");
});
