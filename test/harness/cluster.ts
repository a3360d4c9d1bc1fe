// Several nodes and gateways' clients over one test database and one NATS, in this process; any node can be crashed.

import { pino } from "pino";
import { PostgresMembershipStore } from "../../allocator/cluster/membership-store.ts";
import { type ClusterNode, startClusterNode } from "../../allocator/cluster-node.ts";
import type { PaymentGateway } from "../../allocator/payments/port.ts";
import { AllocatorClient } from "../../gateway/allocator-client.ts";
import { createAlignedClock } from "../../shared/platform/clock.ts";
import { createMetrics } from "../../shared/platform/metrics.ts";
import type { NatsLink } from "../../shared/platform/nats.ts";
import { natsBus } from "../../shared/platform/nats-bus.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";
import type { NewsSink } from "../../shared/protocol/show-news.ts";
import { type LogLine, until } from "./allocator.ts";
import { linkTo } from "./nats.ts";
import type { TestDatabase, TestScope } from "./postgres.ts";

const SOLE_KEY = 0x75_73_68_65_72;

export interface ClusterHouse {
  readonly database: TestDatabase;
  readonly natsUrl: string;
}

export interface TestClusterNode {
  readonly nodeId: string;
  readonly lines: readonly LogLine[];
  stop(): Promise<void>;
  /** As kill -9 would: its connections close, no timer of its runs on. */
  crash(): Promise<void>;
}

export async function startNodeOf(
  t: TestScope,
  { database, natsUrl }: ClusterHouse,
  nodeId: string,
  options: { readonly payments?: PaymentGateway; readonly sinks?: readonly NewsSink[] } = {},
): Promise<TestClusterNode> {
  const link = await linkTo(t, natsUrl, { name: nodeId });
  const { timers, cut } = cuttable();
  const lines: LogLine[] = [];
  const node: ClusterNode = await startClusterNode({
    databaseUrl: database.url,
    nodeId,
    soleKey: SOLE_KEY,
    rules: { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000 },
    defaults: { holdTtlMs: 300_000, graceMs: 5_000, offerTtlMs: 120_000 },
    payments: options.payments,
    sinks: options.sinks ?? [],
    bus: natsBus(link),
    clock: createAlignedClock(),
    timers,
    random: Math.random,
    log: pino({ level: "info" }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) }),
    metrics: createMetrics(),
  });
  let isOver = false;
  const stop = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await node.stop();
  };
  t.teardown(stop);
  return {
    nodeId,
    lines,
    stop,
    crash: async () => {
      isOver = true;
      cut();
      await link.stop(0);
      await closeConnections(database, nodeId);
    },
  };
}

/** As the system does for a killed process. */
async function closeConnections({ pool }: TestDatabase, nodeId: string): Promise<void> {
  const names = ["allocator", "membership", "node"].map((part) => `usher ${part} ${nodeId}`);
  await until(`the connections of ${nodeId} are closed`, async () => {
    const { rows } = await pool.query<{ idle: boolean }>(
      `SELECT state = 'idle' AND pg_terminate_backend(pid) AS idle FROM pg_stat_activity
       WHERE application_name = ANY($1) AND datname = current_database()`,
      [names],
    );
    return rows.length === 0;
  });
}

function cuttable(): { timers: Timers; cut: () => void } {
  let isCut = false;
  const unlessCut = (callback: () => void) => () => {
    if (!isCut) callback();
  };
  return {
    timers: {
      ...systemTimers,
      setTimeout: (callback, delayMs) => systemTimers.setTimeout(unlessCut(callback), delayMs),
      setImmediate: (callback) => systemTimers.setImmediate(unlessCut(callback)),
    },
    cut: () => {
      isCut = true;
    },
  };
}

let clients = 0;

export interface TestClient {
  readonly client: AllocatorClient;
  readonly link: NatsLink;
}

export async function startClientOf(t: TestScope, { database, natsUrl }: ClusterHouse): Promise<TestClient> {
  clients += 1;
  const link = await linkTo(t, natsUrl, { name: `client ${clients}` });
  const store = new PostgresMembershipStore(database.pool);
  const client = new AllocatorClient({
    gatewayId: `g${clients}`,
    bus: natsBus(link),
    readView: () => store.view(),
    timers: systemTimers,
    now: () => performance.now(),
    random: Math.random,
    log: pino({ level: "silent" }),
  });
  await client.start();
  t.teardown(async () => client.stop());
  return { client, link };
}
