// The database for a short command: the one DATABASE_URLS names, or that of the `usher start` which runs on the data
// folder, or else an embedded one for as long as the command takes. Only a command that brings data may make a new one.

import { type AlignedClock, createAlignedClock } from "../shared/platform/clock.ts";
import { startEmbeddedPostgres } from "../shared/platform/embedded-postgres.ts";
import type { Log } from "../shared/platform/log.ts";
import { migrate } from "../shared/platform/migrate.ts";
import { createPool, type Pool } from "../shared/platform/postgres.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import type { Config } from "./config.ts";
import { hasData, postgresDirOf, readRuntime } from "./runtime-file.ts";

const CONNECTIONS_MAX = 4;
const CONNECT_TIMEOUT_MS = 10_000;
/** Another command, or a start that has not got that far, holds the folder no longer than this. */
const FOLDER_WAIT_MAX_MS = 60_000;
const FOLDER_WAIT_MS = 100;

export interface Store {
  readonly pool: Pool;
  /** The gateway of the `usher start` whose database this is, if there is one. */
  readonly gatewayUrl: string | undefined;
  readonly close: () => Promise<void>;
}

interface Server {
  readonly url: string;
  readonly gatewayUrl: string | undefined;
  readonly stop: () => Promise<void>;
}

export interface StoreOptions {
  readonly config: Config;
  readonly log: Log;
  /** Whether a folder without data gets a new, empty database; else it is the StartFault `no_data`. */
  readonly mayCreate: boolean;
}

/** Opens the migrated database; throws a StartFault. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const server = await findServer(options);
  try {
    await migrate(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const pool = createPool({
    url: server.url,
    max: CONNECTIONS_MAX,
    applicationName: "usher command",
    statementTimeoutMs: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log: options.log,
  });
  const close = async (): Promise<void> => {
    await pool.end();
    await server.stop();
  };
  return { pool, gatewayUrl: server.gatewayUrl, close };
}

async function findServer({ config, log, mayCreate }: StoreOptions): Promise<Server> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl !== undefined) return { url: databaseUrl, gatewayUrl: undefined, stop: async () => undefined };
  for (let waitedMs = 0; ; waitedMs += FOLDER_WAIT_MS) {
    const running = await readRuntime(dataDir);
    if (running !== undefined) {
      return { url: running.postgres_url, gatewayUrl: running.url, stop: async () => undefined };
    }
    if (!mayCreate && !(await hasData(dataDir))) {
      throw new StartFault(
        "no_data",
        `There is no Usher data in ${dataDir}. Say where it is with --data; "usher start" or "usher import" make it.`,
      );
    }
    try {
      const server = await startEmbeddedPostgres({ dataDir: postgresDirOf(dataDir), log });
      return { url: server.url, gatewayUrl: undefined, stop: server.stop };
    } catch (error) {
      const isHeld = error instanceof StartFault && error.code === "already_running";
      if (!isHeld || waitedMs >= FOLDER_WAIT_MAX_MS) throw error;
      await sleepMs(FOLDER_WAIT_MS, systemTimers);
    }
  }
}

/** A clock aligned with that database's. */
export async function clockOf(pool: Pool): Promise<AlignedClock> {
  const clock = createAlignedClock();
  const sentAt = clock.reading();
  const { rows } = await pool.query<{ now: number }>("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now");
  const [row] = rows;
  if (row === undefined) throw new Error("the database did not say what time it is");
  clock.align(Number(row.now), sentAt, clock.reading());
  return clock;
}
