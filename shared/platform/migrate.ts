// Brings a database to the schema of this version: shared/schema/*.sql, in order, each once.
// Safe when several processes start at once: node-pg-migrate takes an advisory lock, and the others wait for it.

import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import pg from "pg";
import { StartFault } from "./start-fault.ts";

const SCHEMA_DIR = fileURLToPath(new URL("../schema", import.meta.url));
/** The longest a migration of another process is waited for. */
const LOCK_WAIT_MAX_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface MigrateOptions {
  /** Only a test needs another. */
  readonly schemaDir?: string;
}

/** Answers the names of the migrations that were applied now, none when the schema was already there. */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "usher migrate",
    // Also bounds the wait for the advisory lock.
    lock_timeout: LOCK_WAIT_MAX_MS,
    options: "-c client_min_messages=warning",
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const applied = await runner({
      dbClient: client,
      dir: options.schemaDir ?? SCHEMA_DIR,
      direction: "up",
      count: Number.POSITIVE_INFINITY,
      migrationsTable: "schema_migration",
      advisoryLockMode: "wait",
      singleTransaction: true,
      log: () => undefined,
    });
    return applied.map((migration) => migration.name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartFault("migrate", `The database schema could not be brought up to date: ${reason}`, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
