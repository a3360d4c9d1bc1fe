// Goal: a data folder can always be started again, whatever happened to the process that used it, and never has two
// servers. Method: real servers, real parents killed with SIGKILL, and folders damaged as crashes damage them.

import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import t, { type Test } from "tap";
import { identityOf } from "../../shared/platform/embedded-postgres/process-facts.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { readyFolder, testFolder } from "../harness/postgres.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const log = silentLog();

async function start(t: Test, dataDir: string, port?: number): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log, ...(port !== undefined && { port }) });
  t.teardown(() => server.stop());
  return server;
}

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

interface ParentAnswer {
  readonly url?: string;
  readonly pid?: number;
  readonly code?: string;
  readonly message?: string;
}

/** A process of its own that starts the folder's server; killed with the test. */
async function parentOf(t: Test, dataDir: string): Promise<{ child: ChildProcess; answer: ParentAnswer }> {
  const args = ["--import", "tsx", "test/harness/postgres-parent.ts", dataDir];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => void child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) return { child, answer: JSON.parse(line) };
  throw new Error("the parent said nothing");
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

async function untilGone(pid: number): Promise<void> {
  while (identityOf(pid) !== undefined) await sleepMs(10, systemTimers);
}

const CRUMBS = "CREATE TABLE crumb AS SELECT 7 AS n";

t.test("starts, keeps what was written, and stops without a trace", async (t) => {
  const dataDir = await testFolder(t);
  const first = await start(t, dataDir);
  await query(first.url, CRUMBS);
  await Promise.all([first.stop(), first.stop()]);
  t.equal(identityOf(first.pid), undefined);
  const second = await start(t, dataDir);
  t.same(await query(second.url, "SELECT n FROM crumb"), [{ n: 7 }]);
  const settings = await query<{ name: string; setting: string }>(
    second.url,
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'jit')",
  );
  t.same(Object.fromEntries(settings.map((row) => [row.name, row.setting])), {
    fsync: "on",
    full_page_writes: "on",
    jit: "off",
    synchronous_commit: "on",
  });
});

t.test("asks for its password and listens on loopback only", async (t) => {
  const server = await start(t, await testFolder(t));
  const url = new URL(server.url);
  t.equal(url.hostname, "127.0.0.1");
  url.password = "wrong";
  await t.rejects(query(url.href, "SELECT 1"), { code: "28P01" });
  t.same(await query(server.url, "SHOW listen_addresses"), [{ listen_addresses: "127.0.0.1" }]);
  const folder = await testFolder(t);
  const other = await start(t, folder);
  t.equal((await stat(join(folder, "password"))).mode & 0o777, 0o600);
  t.not(new URL(other.url).password, new URL(server.url).password);
});

t.test("a second process is told who is running; the first is not disturbed", async (t) => {
  const dataDir = await readyFolder(t);
  const server = await start(t, dataDir);
  const { answer } = await parentOf(t, dataDir);
  t.equal(answer.code, "already_running");
  t.match(answer.message, `pid ${process.pid}`);
  await t.rejects(startEmbeddedPostgres({ dataDir, log }), { code: "already_running" }, "nor twice in one process");
  t.same(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
});

t.test("many at once on a new folder: one of them wins", async (t) => {
  const dataDir = await testFolder(t);
  const parents = await Promise.all(Array.from({ length: 4 }, () => parentOf(t, dataDir)));
  const winners = parents.filter(({ answer }) => answer.pid !== undefined);
  t.equal(winners.length, 1);
  t.same(new Set(parents.filter((p) => !winners.includes(p)).map((p) => p.answer.code)), new Set(["already_running"]));
  const [winner] = winners;
  if (winner?.answer.pid === undefined) return;
  winner.child.kill("SIGTERM");
  await untilGone(winner.answer.pid);
});

t.test("after kill -9 of its parent the orphan is stopped, and everything committed is there", async (t) => {
  const dataDir = await readyFolder(t);
  const { child, answer } = await parentOf(t, dataDir);
  const { url = "", pid = 0 } = answer;
  await query(url, CRUMBS);
  await killed(child);
  t.not(identityOf(pid), undefined, "the server outlives its parent");
  const server = await start(t, dataDir);
  t.equal(identityOf(pid), undefined, "the orphan is gone");
  t.same(await query(server.url, "SELECT n FROM crumb"), [{ n: 7 }]);
});

t.test("many at once after a crash: one of them takes over", async (t) => {
  const dataDir = await readyFolder(t);
  const { child } = await parentOf(t, dataDir);
  await killed(child);
  const parents = await Promise.all(Array.from({ length: 4 }, () => parentOf(t, dataDir)));
  const pids = parents.flatMap(({ answer }) => answer.pid ?? []);
  t.equal(pids.length, 1);
  for (const parent of parents) parent.child.kill("SIGTERM");
  for (const pid of pids) await untilGone(pid);
});

t.test("after kill -9 of parent and server, with a client still connected", async (t) => {
  const dataDir = await readyFolder(t);
  const { child, answer } = await parentOf(t, dataDir);
  const { url = "", pid = 0 } = answer;
  await query(url, CRUMBS);
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  const asleep = client.query("SELECT pg_sleep(60)").catch(() => "lost");
  child.kill("SIGKILL");
  process.kill(pid, "SIGKILL");
  const server = await start(t, dataDir);
  t.equal(await asleep, "lost");
  t.same(await query(server.url, "SELECT n FROM crumb"), [{ n: 7 }]);
});

t.test("a stale postmaster.pid that names somebody else is removed, and that process left alone", async (t) => {
  const dataDir = await readyFolder(t);
  const stranger = spawn("sleep", ["60"], { stdio: "ignore" });
  t.teardown(() => void stranger.kill("SIGKILL"));
  const cluster = join(dataDir, "server", "cluster");
  await writeFile(join(cluster, "postmaster.pid"), `${stranger.pid}\n${cluster}\n1\n5432\n\n\n\nready   \n`);
  const server = await start(t, dataDir);
  t.same(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
  t.not(identityOf(stranger.pid ?? 0), undefined);
});

t.test("an initdb that was interrupted leaves a folder that starts", async (t) => {
  const dataDir = await testFolder(t);
  const half = join(dataDir, "server", "cluster.new-1");
  await mkdir(join(half, "base"), { recursive: true });
  await writeFile(join(half, "PG_VERSION"), "17\n");
  const server = await start(t, dataDir);
  t.same(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
  t.same(
    (await readdir(join(dataDir, "server"))).filter((name) => name !== "cluster"),
    [],
  );
});

t.test("says plainly what is wrong with a folder", async (t) => {
  const broken = await testFolder(t);
  await mkdir(join(broken, "server", "cluster", "base"), { recursive: true });
  await t.rejects(startEmbeddedPostgres({ dataDir: broken, log }), { code: "cluster_incomplete", message: /move it/ });

  const old = await readyFolder(t);
  await writeFile(join(old, "server", "cluster", "PG_VERSION"), "14\n");
  await t.rejects(startEmbeddedPostgres({ dataDir: old, log }), { code: "cluster_version", message: /Postgres 14/ });
  await writeFile(join(old, "server", "cluster", "PG_VERSION"), "17\n");
  await rm(join(old, "password"));
  await t.rejects(startEmbeddedPostgres({ dataDir: old, log }), { code: "password_missing" });

  const file = join(await testFolder(t), "file");
  await writeFile(file, "not a folder");
  await t.rejects(startEmbeddedPostgres({ dataDir: file, log }), { code: "data_folder", message: /not a folder/ });
  await t.rejects(startEmbeddedPostgres({ dataDir: "/proc/usher", log }), { code: "data_folder" });
});

t.test("a fault gives the folder back", async (t) => {
  const dataDir = await readyFolder(t);
  const blocker = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  t.teardown(() => void blocker.close());
  const address = blocker.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await t.rejects(startEmbeddedPostgres({ dataDir, port, log }), { code: "port_taken", message: String(port) });
  const server = await start(t, dataDir);
  t.same(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
});

t.test("works below a folder that only its owner may enter", async (t) => {
  const dataDir = await testFolder(t);
  await chmod(dataDir, 0o700);
  const server = await start(t, join(dataDir, "postgres"));
  t.same(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
});

t.test("a server that dies by itself is noticed", async (t) => {
  const dataDir = await readyFolder(t);
  const server = await start(t, dataDir);
  process.kill(server.pid, "SIGKILL");
  t.match(await server.exited, { signal: "SIGKILL" });
  await server.stop();
  t.match(await readFile(join(dataDir, "server.log"), "utf8"), /ready to accept connections/);
});
