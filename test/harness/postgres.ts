// A real Postgres server for one test file, migrated, with a database of its own for every test that wants one.
// A migrated data folder is kept as a template for the next files, so that one costs a copy and a start, ~0.2 s.
// T1: what a test file started is stopped and removed when it ends, also when it fails.
// T2: a file that was killed cannot clean up: the next one does, by the pid in the folder's name.

import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { clearLeftover } from "../../shared/platform/embedded-postgres/leftover.ts";
import { identityOf } from "../../shared/platform/embedded-postgres/process-facts.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { migrate } from "../../shared/platform/migrate.ts";
import { createPool, type Pool } from "../../shared/platform/postgres.ts";
import { systemCodeOf } from "../../shared/platform/start-fault.ts";
import { systemTimers } from "../../shared/platform/timers.ts";

const TEMPLATE_DATABASE = "usher_migrated";
const TEMPLATE_AGE_MAX_MS = 24 * 3_600_000;
const CONNECT_TIMEOUT_MS = 5_000;
const PLATFORM_DIR = fileURLToPath(new URL("../../shared/platform", import.meta.url));
const SCHEMA_DIR = fileURLToPath(new URL("../../shared/schema", import.meta.url));

/** The part of a tap test that this needs. */
export interface TestScope {
  teardown(end: () => Promise<void>): void;
}

export interface TestPostgresOptions {
  /** Off by default: a killed process loses nothing by it. */
  readonly fsync?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface TestDatabase {
  readonly url: string;
  /** For the test's own queries; ended with the test file. */
  readonly pool: Pool;
}

export interface TestPostgres extends TestDatabase {
  readonly server: EmbeddedPostgres;
  /** The server's data folder; gone after the test. */
  readonly dataDir: string;
  /** Another migrated, empty database of this server. */
  freshDatabase(): Promise<TestDatabase>;
}

export async function startTestPostgres(t: TestScope, options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const dataDir = await readyFolder(t);
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const end of ends.reverse()) await end();
  });
  const server = await startEmbeddedPostgres({
    dataDir,
    fsync: options.fsync ?? false,
    settings: { shared_buffers: "64MB", ...options.settings },
    log: silentLog(),
  });
  ends.push(() => server.stop());
  const open = (database: string): TestDatabase => {
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    const pool = createPool({
      url: url.href,
      max: 10,
      applicationName: "test",
      statementTimeoutMs: 0,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    ends.push(() => pool.end());
    return { url: url.href, pool };
  };
  const admin = open("postgres").pool;
  const freshDatabase = async (): Promise<TestDatabase> => {
    const name = `test_${randomBytes(6).toString("hex")}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE} STRATEGY file_copy`);
    return open(name);
  };
  return { ...(await freshDatabase()), server, dataDir, freshDatabase };
}

/** An empty data folder for this test. After it, a server that still runs there is stopped and the folder removed. */
export async function testFolder(t: TestScope): Promise<string> {
  const base = await openBase();
  await removeLeftovers(base);
  const folder = await mkdtemp(join(base, `run-${process.pid}-`));
  t.teardown(() => removeFolder(folder));
  return folder;
}

/** The same, with a data folder in it that a server need not make first. */
export async function readyFolder(t: TestScope): Promise<string> {
  const folder = await testFolder(t);
  // `cp -a` keeps owners, and shares blocks where the file system can.
  execFileSync("cp", ["-a", `${await ensureTemplate(dirname(folder))}/.`, folder]);
  return folder;
}

/** A folder for all test files of this user, which nobody else can have made. */
async function openBase(): Promise<string> {
  const base = join(tmpdir(), `usher-test-${process.getuid?.() ?? 0}`);
  await mkdir(base, { recursive: true, mode: 0o711 });
  const found = await lstat(base);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) {
    throw new Error(`${base} belongs to somebody else; set another TMPDIR`);
  }
  return base;
}

async function removeLeftovers(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = Number(/^(?:run|making)-(\d+)-/.exec(name)?.[1]);
    if (!(pid > 0) || identityOf(pid) !== undefined) continue;
    await removeFolder(join(base, name));
  }
}

async function removeFolder(folder: string): Promise<void> {
  await clearLeftover(join(folder, "server", "cluster"), systemTimers, silentLog());
  await rm(folder, { recursive: true, force: true });
}

/** A stopped data folder whose database TEMPLATE_DATABASE is migrated; made by whoever comes first. */
async function ensureTemplate(base: string): Promise<string> {
  const template = join(base, `template-${await fingerprint()}`);
  if (await touch(template)) return template;
  await removeOldTemplates(base);
  const making = await mkdtemp(join(base, `making-${process.pid}-`));
  const server = await startEmbeddedPostgres({ dataDir: making, fsync: false, log: silentLog() });
  try {
    const url = new URL(server.url);
    const admin = createPool({
      url: url.href,
      max: 1,
      applicationName: "test template",
      statementTimeoutMs: 0,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`).finally(() => admin.end());
    url.pathname = `/${TEMPLATE_DATABASE}`;
    await migrate(url.href);
  } finally {
    await server.stop();
  }
  try {
    await rename(making, template);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    if (!["ENOTEMPTY", "EEXIST"].includes(systemCodeOf(error) ?? "")) throw error;
  }
  return template;
}

async function touch(folder: string): Promise<boolean> {
  const now = new Date();
  return utimes(folder, now, now).then(
    () => true,
    () => false,
  );
}

async function removeOldTemplates(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    if (!name.startsWith("template-")) continue;
    const found = await lstat(join(base, name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > TEMPLATE_AGE_MAX_MS) {
      await rm(join(base, name), { recursive: true, force: true });
    }
  }
}

/** Changes with the schema and with how a data folder is made. */
async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of [SCHEMA_DIR, join(PLATFORM_DIR, "embedded-postgres")]) {
    for (const name of (await readdir(folder)).filter((entry) => /\.(sql|ts)$/.test(entry)).sort()) {
      hash.update(name).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
