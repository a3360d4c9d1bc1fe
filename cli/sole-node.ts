// One `usher start` a database: it tells nobody what it sold, so beside a second one, or beside a cluster, both would show
// stale seat maps for ever. This holds a Postgres advisory lock, on a connection of its own, for as long as the process lives.
// N1: the lock is the server's: it falls with the connection, so a process killed with -9 leaves nothing behind.
// N2: a lost connection is no end: the lock is taken again when the server is back. Who finds it taken gives way.
// N3: seats never depend on it; a second owner is fenced by its epoch in any case.

import { Socket } from "node:net";
import pg from "pg";
import type { Log } from "../shared/platform/log.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { type Timers, within } from "../shared/platform/timers.ts";

/** "usher" in ASCII. Advisory locks count per database, so it need not name one. */
export const SOLE_NODE_LOCK_KEY = 0x75_73_68_65_72;
/** A predecessor that is just ending is waited for. */
const PREDECESSOR_WAIT_MAX_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
const QUERY_TIMEOUT_MS = PREDECESSOR_WAIT_MAX_MS + 1_000;
const RETAKE_PAUSE_MIN_MS = 100;
const RETAKE_PAUSE_MAX_MS = 5_000;
/** About an hour without a server. */
const RETAKE_ATTEMPTS_MAX = 720;
const CLOSE_MAX_MS = 1_000;
/** A holder whose machine vanished is noticed by the server after about half a minute, not after hours. */
const SERVER_KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4";
const LOCK_NOT_AVAILABLE = "55P03";

export interface SoleNodeOptions {
  readonly databaseUrl: string;
  /** Unique to this process: by it, a session that the server has not yet missed is known for our own. */
  readonly nodeId: string;
  readonly timers: Timers;
  readonly log: Log;
  /** Only a test needs another. */
  readonly predecessorWaitMaxMs?: number;
}

interface HeldLock {
  readonly client: pg.Client;
  readonly socket: Socket;
  /** Resolves when the connection, and the lock with it, is gone. */
  readonly lost: Promise<void>;
}

export class SoleNode {
  /** Resolves with the reason when another process has the lock, or the server stayed away. Never rejects. */
  readonly displaced: Promise<string>;
  readonly #options: SoleNodeOptions;
  #held: HeldLock;
  #isStopping = false;
  #askToStop: () => void = () => undefined;
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#askToStop = resolve;
  });
  #tellDisplaced: (reason: string) => void = () => undefined;
  readonly #watching: Promise<void>;

  private constructor(options: SoleNodeOptions, held: HeldLock) {
    this.#options = options;
    this.#held = held;
    this.displaced = new Promise((resolve) => {
      this.#tellDisplaced = resolve;
    });
    this.#watching = this.#watch();
  }

  /** Throws a StartFault when another process has the lock and keeps it. */
  static async take(options: SoleNodeOptions): Promise<SoleNode> {
    try {
      return new SoleNode(options, await takeLock(options));
    } catch (error) {
      if (isTaken(error)) throw takenFault(error);
      const reason = error instanceof Error ? error.message : String(error);
      throw new StartFault("database", `The database could not be locked for this process: ${reason}`, error);
    }
  }

  /** Gives the lock back: whoever waits for it has it at once. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#askToStop();
    await this.#watching;
    await close(this.#held, this.#options.timers);
  }

  async #watch(): Promise<void> {
    for (;;) {
      await Promise.race([this.#held.lost, this.#stopAsked]);
      if (this.#isStopping) return;
      this.#options.log.warn("the connection that holds the database for this process was lost");
      await close(this.#held, this.#options.timers);
      const displacedBy = await this.#retake();
      if (this.#isStopping) return;
      if (displacedBy !== undefined) {
        this.#options.log.error({ reason: displacedBy }, "this process gives way");
        return this.#tellDisplaced(displacedBy);
      }
      this.#options.log.info("holds the database again");
    }
  }

  /** Answers why it is not to be had any more, `undefined` when it is held again or nobody wants it. */
  async #retake(): Promise<string | undefined> {
    const { timers, log } = this.#options;
    let pauseMs = RETAKE_PAUSE_MIN_MS;
    for (let attempt = 0; attempt < RETAKE_ATTEMPTS_MAX; attempt += 1) {
      if (this.#isStopping) return undefined;
      try {
        this.#held = await takeLock(this.#options);
        return undefined;
      } catch (error) {
        if (isTaken(error)) return takenFault(error).message;
        log.debug({ reason: String(error) }, "the database cannot be locked yet");
      }
      await within(this.#stopAsked, pauseMs, () => undefined, timers);
      pauseMs = Math.min(2 * pauseMs, RETAKE_PAUSE_MAX_MS);
    }
    return "The database did not come back.";
  }
}

async function takeLock(options: SoleNodeOptions): Promise<HeldLock> {
  const { databaseUrl, nodeId, timers } = options;
  const applicationName = `usher ${nodeId}`;
  const socket = new Socket();
  const client = new pg.Client({
    stream: () => socket,
    connectionString: databaseUrl,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    lock_timeout: options.predecessorWaitMaxMs ?? PREDECESSOR_WAIT_MAX_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: RETAKE_PAUSE_MAX_MS,
    options: SERVER_KEEPALIVES,
  });
  const lost = new Promise<void>((resolve) => {
    client.once("end", resolve);
    client.on("error", () => resolve());
  });
  try {
    await client.connect();
    // Our own former session, if a cut line has kept the server from missing it.
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()",
      [applicationName],
    );
    await client.query("SELECT pg_advisory_lock($1)", [SOLE_NODE_LOCK_KEY]);
  } catch (error) {
    await close({ client, socket }, timers);
    throw error;
  }
  return { client, socket, lost };
}

/** A server that hangs does not answer a farewell. */
async function close({ client, socket }: Pick<HeldLock, "client" | "socket">, timers: Timers): Promise<void> {
  const ended = client.end().catch(() => undefined);
  await within(ended, CLOSE_MAX_MS, () => socket.destroy(), timers);
}

const isTaken = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE;

const takenFault = (cause: unknown): StartFault =>
  new StartFault(
    "database_in_use",
    'Another usher is running on this database; stop it first or give this one a database of its own. Several nodes are a cluster: "usher allocator" and "usher gateway".',
    cause,
  );
