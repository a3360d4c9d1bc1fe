// Goal: one usher a database, whatever becomes of it: a second is refused plainly, a killed one leaves nothing behind,
// a lost connection or a Postgres restart is survived, and who finds the database taken gives way.
// Method: real processes and a real server; a rival is a session that asks for the same lock.

import { join } from "node:path";
import t, { type Test } from "tap";
import { SOLE_NODE_LOCK_KEY, SoleNode } from "../../cli/sole-node.ts";
import { startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { startTestPostgres, testFolder } from "../harness/postgres.ts";
import { type RunningCommand, usher } from "../harness/product.ts";

const LOOK_MS = 10;
const WAIT_MAX_MS = 1_000;
const pg = await startTestPostgres(t);

const take = (databaseUrl: string, nodeId: string): Promise<SoleNode> =>
  SoleNode.take({ databaseUrl, nodeId, timers: systemTimers, log: silentLog(), predecessorWaitMaxMs: WAIT_MAX_MS });

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleepMs(LOOK_MS, systemTimers);
}

/** The sessions that have the lock of this database, or wait for it. */
async function sessions(pool: Pool, granted: boolean): Promise<{ pid: number; name: string }[]> {
  const { rows } = await pool.query<{ pid: number; name: string }>(
    `SELECT a.pid, a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted = $1 AND a.datname = current_database()`,
    [granted],
  );
  return rows;
}

/** Its end is part of some tests. */
async function session(t: Test, pool: Pool): Promise<PoolClient> {
  const client = await pool.connect();
  t.teardown(() => client.release(true));
  return client;
}

t.test("a second one is refused, and has its turn when the first ends", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const first = await take(url, "first");
  t.teardown(() => first.stop());
  const second = take(url, "second");
  await until(async () => (await sessions(pool, false)).length === 1);
  await first.stop();
  const successor = await second;
  t.teardown(() => successor.stop());
  t.match(await sessions(pool, true), [{ name: "usher second" }], "it waited for one that was just ending");
  await t.rejects(take(url, "third"), {
    name: "StartFault",
    code: "database_in_use",
    message: /^Another usher is run/,
  });
  t.match(await sessions(pool, true), [{ name: "usher second" }]);
  t.same(await sessions(pool, false), [], "who was refused waits no longer");
  const elsewhere = await take((await pg.freshDatabase()).url, "elsewhere");
  await elsewhere.stop();
});

t.test("a former session of its own that the server has not missed yet does not count", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const former = await session(t, pool);
  await former.query("SET application_name = 'usher me'");
  await former.query("SELECT pg_advisory_lock($1)", [SOLE_NODE_LOCK_KEY]);
  const again = await take(url, "me");
  t.equal((await sessions(pool, true)).length, 1);
  await again.stop();
});

t.test("a lost connection: the lock is taken again", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const node = await take(url, "cut");
  t.teardown(() => node.stop());
  const [before] = await sessions(pool, true);
  await pool.query("SELECT pg_terminate_backend($1)", [before?.pid]);
  await until(async () => (await sessions(pool, true)).some(({ pid }) => pid !== before?.pid));
  t.match(await sessions(pool, true), [{ name: "usher cut" }]);
  await node.stop();
  t.same(await sessions(pool, true), [], "and given back in the end");
});

t.test("who finds it taken after that gives way", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const node = await take(url, "slow");
  t.teardown(() => node.stop());
  const [holder] = await sessions(pool, true);
  const rival = await session(t, pool);
  const taken = rival.query("SELECT pg_advisory_lock($1)", [SOLE_NODE_LOCK_KEY]);
  await until(async () => (await sessions(pool, false)).length === 1);
  await pool.query("SELECT pg_terminate_backend($1)", [holder?.pid]);
  await taken;
  t.match(await node.displaced, /^Another usher is running on this database/);
});

t.test("usher start: refused with a sentence, free at once after kill -9, gives way in good order", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const folder = await testFolder(t);
  const start = (name: string): RunningCommand =>
    usher(t, ["start", "--port", "0", "--data", join(folder, name)], { DATABASE_URLS: url, PAYMENT_URL: "instant:" });
  const first = start("first");
  t.ok(await first.line(/^ready /));
  const refused = await start("second").ended;
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^Another usher is running on this database/m);
  t.notMatch(refused.stderr, /at .*\.ts:\d/, "no stack trace");
  first.child.kill("SIGKILL");
  await first.ended;
  const third = start("third");
  t.ok(await third.line(/^ready /), "a killed one is in nobody's way");
  const [holder] = await sessions(pool, true);
  const rival = await session(t, pool);
  const taken = rival.query("SELECT pg_advisory_lock($1)", [SOLE_NODE_LOCK_KEY]);
  await until(async () => (await sessions(pool, false)).length === 1);
  await pool.query("SELECT pg_terminate_backend($1)", [holder?.pid]);
  await taken;
  t.match(await third.ended, { code: 1, signal: null, stderr: /Another usher is running on this database/ });
});

t.test("Postgres restarted: the lock is taken again, and nobody is displaced", async (t) => {
  const { url, pool } = await pg.freshDatabase();
  const node = await take(url, "patient");
  let isDisplaced = false;
  void node.displaced.then(() => {
    isDisplaced = true;
  });
  await pg.server.stop();
  const again = await startEmbeddedPostgres({
    dataDir: pg.dataDir,
    port: pg.server.port,
    fsync: false,
    log: silentLog(),
  });
  t.teardown(() => again.stop());
  await until(async () => (await sessions(pool, true)).length === 1);
  t.match(await sessions(pool, true), [{ name: "usher patient" }]);
  t.equal(isDisplaced, false);
  await again.stop();
  await node.stop();
  t.pass("stops also while there is no server");
});
