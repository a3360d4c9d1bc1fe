// One allocator and one gateway in this process, over a Postgres that is already there and migrated, and that no other
// process serves.

import { randomBytes } from "node:crypto";
import { startAllocator } from "../allocator/main.ts";
import type { PaymentGateway } from "../allocator/payments/port.ts";
import { assembleCatalogue } from "../gateway/catalogue/assemble.ts";
import type { GatewayConfig } from "../gateway/config.ts";
import { startGateway } from "../gateway/main.ts";
import { createAlignedClock } from "../shared/platform/clock.ts";
import type { Log } from "../shared/platform/log.ts";
import { createMetrics, type Metrics } from "../shared/platform/metrics.ts";
import { createPool } from "../shared/platform/postgres.ts";
import { loadSecrets } from "../shared/platform/secrets.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import type { NewsSink } from "../shared/protocol/show-news.ts";
import { SoleNode } from "./sole-node.ts";

const GATEWAY_CONNECTIONS_MAX = 8;
const GATEWAY_STATEMENT_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 2_000;

export interface SingleNodeOptions {
  readonly databaseUrl: string;
  readonly gateway: GatewayConfig;
  /** Absent: payments are authorised on the spot. */
  readonly payments: PaymentGateway | undefined;
  readonly paymentLookUpAfterMs?: number;
  /** What the payment gateway signs its webhooks with; none: there is no webhook. */
  readonly paymentWebhookSecrets?: readonly string[];
  readonly payTtlMs: number;
  readonly cancelUntilMs: number;
  readonly releaseOnDecline: boolean;
  /** Who is told of what was committed; nobody, unless given. Whoever made them ends them, after the node. */
  readonly sinks?: readonly NewsSink[];
  readonly holdTtlMs: number;
  readonly graceMs: number;
  readonly offerTtlMs: number;
  readonly version: string;
  readonly log: Log;
  /** Its own, unless given. */
  readonly metrics?: Metrics;
}

export interface SingleNode {
  readonly url: string;
  /** Resolves with the reason when another process serves this database now: then this one is to be stopped. */
  readonly displaced: Promise<string>;
  /** The gateway answers what is under way, then the allocator commits what it has. */
  stop(): Promise<void>;
}

export async function startSingleNode(options: SingleNodeOptions): Promise<SingleNode> {
  const { databaseUrl, log, payments, payTtlMs, releaseOnDecline, cancelUntilMs } = options;
  const { holdTtlMs, graceMs, offerTtlMs } = options;
  const timers = systemTimers;
  const clock = createAlignedClock();
  const metrics = options.metrics ?? createMetrics();
  const nodeId = `node-${randomBytes(4).toString("hex")}`;
  // Given back last: whoever waits for it finds everything committed.
  const soleNode = await SoleNode.take({ databaseUrl, nodeId, timers, log });
  const pool = createPool({
    url: databaseUrl,
    max: GATEWAY_CONNECTIONS_MAX,
    applicationName: "usher gateway",
    statementTimeoutMs: GATEWAY_STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log,
  });
  const stops: (() => Promise<unknown>)[] = [() => soleNode.stop(), () => pool.end()];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const secrets = await loadSecrets(pool);
    const allocator = await startAllocator({
      databaseUrl,
      nodeId,
      rules: { payTtlMs, releaseOnDecline, cancelUntilMs },
      defaults: { holdTtlMs, graceMs, offerTtlMs },
      payments,
      sinks: options.sinks ?? [],
      ...(options.paymentLookUpAfterMs === undefined ? {} : { paymentLookUpAfterMs: options.paymentLookUpAfterMs }),
      clock,
      timers,
      random: Math.random,
      log,
      metrics,
    });
    stops.push(() => allocator.stop());
    const defaults = { holdTtlS: holdTtlMs / 1000, graceS: graceMs / 1000, offerTtlS: offerTtlMs / 1000 };
    const gateway = await startGateway({
      allocator: allocator.port,
      catalogue: assembleCatalogue({ pool, allocator: allocator.port, clock, timers, log, defaults }),
      pool,
      secrets,
      log,
      metrics,
      clock,
      timers,
      config: options.gateway,
      paymentWebhookSecrets: options.paymentWebhookSecrets ?? [],
      version: options.version,
    });
    stops.push(() => gateway.stop());
    return { url: gateway.url, displaced: soleNode.displaced, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
