// The relay of a node's news (news/relay.ts) with connections of its own: who reads pages of the log keeps no commit
// waiting. A node that nobody listens to has neither. One of several tells what it commits, and sweeps what is its own.

import type { ShowId } from "../shared/kernel/ids.ts";
import { createPool } from "../shared/platform/postgres.ts";
import type { ActorSurroundings } from "./actor/show-actor.ts";
import type { AllocatorOptions } from "./main.ts";
import { PostgresNewsStore } from "./news/postgres-news-store.ts";
import { NewsRelay } from "./news/relay.ts";

const CONNECTIONS_MAX = 3;
/** What is read for 32 shows at once waits for a connection. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A new sink's cursors are one statement: 100,000 shows take it 1 s. */
const STATEMENT_TIMEOUT_MS = 30_000;
/**
 * Look-ups by key whatever the statistics say, as in main.ts. What a server that crashes loses of the last cursors is
 * told again; and it never loses a sink's beginning without all that came after it, since the log of changes is one.
 */
const SETTINGS = {
  enable_seqscan: "off",
  enable_mergejoin: "off",
  enable_material: "off",
  plan_cache_mode: "force_generic_plan",
  synchronous_commit: "off",
};

type OnCommitted = ActorSurroundings["onCommitted"];

export interface NodeNews {
  /** `publish` first, then the news. */
  after(publish: OnCommitted): OnCommitted;
  /** Before the first turn. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const NO_NEWS: NodeNews = {
  after: (publish) => publish,
  start: async () => undefined,
  stop: async () => undefined,
};

export function connectNews({
  sinks = [],
  databaseUrl,
  nodeId,
  timers,
  random,
  log,
  metrics,
  cluster,
}: Pick<
  AllocatorOptions,
  "sinks" | "databaseUrl" | "nodeId" | "timers" | "random" | "log" | "metrics" | "cluster"
>): NodeNews {
  if (sinks.length === 0) return NO_NEWS;
  const pool = createPool({
    url: databaseUrl,
    max: CONNECTIONS_MAX,
    applicationName: `usher allocator ${nodeId}`,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    settings: SETTINGS,
    log,
  });
  const store = new PostgresNewsStore({ cell: pool, catalogue: pool });
  const isMine = cluster && { isMine: (showId: ShowId) => cluster.ownership.isMine(showId) };
  const relay = new NewsRelay({ sinks, store, timers, random, log, metrics, ...isMine });
  return {
    after: (publish) => (update, entry, layoutId) => {
      publish(update, entry, layoutId);
      relay.onCommitted(update, entry, layoutId);
    },
    start: () => relay.start(),
    async stop() {
      await relay.stop();
      await pool.end();
    },
  };
}
