// `usher allocator`: one node of a cluster, over a Postgres and a NATS that are there. It puts the news of its shows into
// the stream; mails and webhooks are told from there, each by one of the nodes, whichever asks first (jetstream-part.ts).

import { randomBytes } from "node:crypto";
import { type ClusterNode, startClusterNode } from "../allocator/cluster-node.ts";
import { type HealthServer, type HealthServerOptions, startHealthServer } from "../allocator/health-server.ts";
import { NODE_ID } from "../shared/cluster/view.ts";
import { createAlignedClock } from "../shared/platform/clock.ts";
import { createLog } from "../shared/platform/log.ts";
import { createMetrics } from "../shared/platform/metrics.ts";
import { migrate } from "../shared/platform/migrate.ts";
import { natsBus } from "../shared/platform/nats-bus.ts";
import { Shutdown } from "../shared/platform/shutdown.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { type Command, EXIT_OK, parseFlags } from "./command.ts";
import type { Config } from "./config.ts";
import { joinableConfig, linkToNats } from "./joining.ts";
import { chooseSinks } from "./news-sinks.ts";
import { findParent } from "./parent.ts";
import { choosePayments } from "./payment-part.ts";
import { SOLE_NODE_LOCK_KEY } from "./sole-node.ts";

const DRAIN_MAX_MS = 30_000;

export const allocatorCommand: Command = {
  name: "allocator",
  usage: "[--node ID]",
  summary: "run one allocator of a cluster; DATABASE_URLS, NATS_URL and PAYMENT_URL say where the rest is",
  flags: ["--node ID      its name, the same after every restart (default: a random one)"],
  async run(args, io) {
    const { values } = parseFlags(args, { node: { type: "string" } });
    const nodeId = values.node ?? `node-${randomBytes(4).toString("hex")}`;
    if (!NODE_ID.test(nodeId)) throw new StartFault("usage", "--node takes 1 to 40 letters, digits, _ and -.");
    const { config, databaseUrl, nats } = joinableConfig(io.env);
    const log = createLog({ level: config.logLevel, name: nodeId });
    const shutdown = new Shutdown({ log, timers: systemTimers, host: process });
    const parent = findParent(shutdown);
    try {
      await migrate(databaseUrl);
      const metrics = createMetrics();
      let running: ClusterNode | undefined;
      // From before it joins until after it left: a probe hears "not yet" and "no longer" instead of nobody.
      const health = await openHealth(config, { unready: () => running?.unready() ?? ["cluster"], metrics });
      if (health !== undefined) shutdown.add({ name: "health", stop: () => health.stop() });
      const link = await linkToNats({ nats, name: `usher allocator ${nodeId}`, log, shutdown });
      const payments = await choosePayments({ config, log, shutdown });
      const sinks = await chooseSinks({ config, databaseUrl, log, metrics, shutdown });
      const node = await startClusterNode({
        databaseUrl,
        nodeId,
        soleKey: SOLE_NODE_LOCK_KEY,
        rules: {
          payTtlMs: config.payTtlMs,
          releaseOnDecline: config.releaseOnDecline,
          cancelUntilMs: config.cancelUntilMs,
        },
        defaults: { holdTtlMs: config.holdTtlMs, graceMs: config.holdGraceMs, offerTtlMs: config.offerTtlMs },
        payments: payments?.gateway,
        paymentLookUpAfterMs: config.paymentLookUpAfterMs,
        sinks,
        bus: natsBus(link),
        clock: createAlignedClock(),
        timers: systemTimers,
        random: Math.random,
        log,
        metrics,
      });
      running = node;
      shutdown.add({ name: "node", stop: () => node.stop(), boundMs: DRAIN_MAX_MS });
      io.say(`ready ${nodeId}`);
      parent.ready({ node_id: nodeId, ...(health === undefined ? {} : { url: health.url }) });
      await shutdown.requested;
    } catch (error) {
      if (!shutdown.signal.aborted) throw error;
    } finally {
      await shutdown.run();
      parent.leave();
    }
    return EXIT_OK;
  },
};

async function openHealth(
  { host, healthPort }: Pick<Config, "host" | "healthPort">,
  facts: Pick<HealthServerOptions, "unready" | "metrics">,
): Promise<HealthServer | undefined> {
  return healthPort === undefined ? undefined : startHealthServer({ host, port: healthPort, ...facts });
}
