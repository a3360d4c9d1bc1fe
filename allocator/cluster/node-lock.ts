// A Postgres connection that says by being there that this process lives: it holds the node's advisory lock, which falls
// within milliseconds when the process is killed (membership-store.ts reads it). A lost connection is opened again;
// meanwhile the heartbeats speak for the node.
// K1: the same connection shares the lock that a single `usher start` holds alone: the two never run on one database.

import { Socket } from "node:net";
import pg from "pg";
import type { Log } from "../../shared/platform/log.ts";
import { StartFault } from "../../shared/platform/start-fault.ts";
import { sleepMs, type Timers, within } from "../../shared/platform/timers.ts";
import { NODE_LOCK_SPACE, nodeLockKey } from "./membership-store.ts";

/** A former life of this node, or a single usher, that is just ending. */
const WAIT_MAX_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
const RETAKE_PAUSE_MS = 200;
const CLOSE_MAX_MS = 1_000;
/** A holder whose machine vanished is missed after about 6 s; its heartbeats are missed long before. */
const SERVER_KEEPALIVES = "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=4";
const LOCK_NOT_AVAILABLE = "55P03";

export interface NodeLockOptions {
  readonly databaseUrl: string;
  readonly nodeId: string;
  /** The key of the lock that a single usher holds alone. */
  readonly soleKey: number;
  readonly timers: Timers;
  readonly log: Log;
}

interface Held {
  readonly client: pg.Client;
  readonly socket: Socket;
  readonly lost: Promise<void>;
}

export class NodeLock {
  readonly #options: NodeLockOptions;
  #held: Held | undefined;
  #isStopping = false;
  #askToStop: () => void = () => undefined;
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#askToStop = resolve;
  });
  #keeping: Promise<void> = Promise.resolve();

  private constructor(options: NodeLockOptions) {
    this.#options = options;
  }

  /** Throws a StartFault when another process has the node's id, or a single usher the database. */
  static async take(options: NodeLockOptions): Promise<NodeLock> {
    const lock = new NodeLock(options);
    try {
      lock.#held = await take(options);
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE) {
        throw new StartFault(
          "node_in_use",
          `Another process is the node ${options.nodeId}, or a single usher runs on this database: stop it first.`,
          error,
        );
      }
      const reason = error instanceof Error ? error.message : String(error);
      throw new StartFault("database", `The database cannot be reached: ${reason}`, error);
    }
    lock.#keeping = lock.#keep();
    return lock;
  }

  /** No other process is this node. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#askToStop();
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { log, timers } = this.#options;
    while (!this.#isStopping) {
      if (this.#held === undefined) {
        await Promise.race([sleepMs(RETAKE_PAUSE_MS, timers), this.#stopAsked]);
        if (this.#isStopping) return;
        this.#held = await take(this.#options).catch(() => undefined);
        continue;
      }
      await Promise.race([this.#held.lost, this.#stopAsked]);
      if (!this.#isStopping) log.warn("the connection that stands for this node was lost");
      await close(this.#held, timers);
      this.#held = undefined;
    }
  }
}

async function take({ databaseUrl, nodeId, soleKey, timers }: NodeLockOptions): Promise<Held> {
  const socket = new Socket();
  const client = new pg.Client({
    stream: () => socket,
    connectionString: databaseUrl,
    application_name: `usher node ${nodeId}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: WAIT_MAX_MS + 1_000,
    lock_timeout: WAIT_MAX_MS,
    keepAlive: true,
    options: SERVER_KEEPALIVES,
  });
  const lost = new Promise<void>((resolve) => {
    client.once("end", resolve);
    client.on("error", () => resolve());
  });
  try {
    await client.connect();
    await client.query("SELECT pg_advisory_lock_shared($1)", [soleKey]);
    await client.query("SELECT pg_advisory_lock($1::integer, $2::integer)", [NODE_LOCK_SPACE, nodeLockKey(nodeId)]);
  } catch (error) {
    await close({ client, socket }, timers);
    throw error;
  }
  return { client, socket, lost };
}

/** A server that hangs does not answer a farewell. */
async function close({ client, socket }: Pick<Held, "client" | "socket">, timers: Timers): Promise<void> {
  const ended = client.end().catch(() => undefined);
  await within(ended, CLOSE_MAX_MS, () => socket.destroy(), timers);
}
