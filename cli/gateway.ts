// `usher gateway`: one gateway of a cluster, over a Postgres and a NATS that are there. It keeps nothing.

import { randomBytes } from "node:crypto";
import { AllocatorClient } from "../gateway/allocator-client.ts";
import { assembleCatalogue, type Catalogue, type CatalogueParts } from "../gateway/catalogue/assemble.ts";
import { hearOthers, tellOthers } from "../gateway/catalogue/others.ts";
import { ClockWatch } from "../gateway/clock-watch.ts";
import { GATEWAY_LIMITS } from "../gateway/config.ts";
import { startGateway } from "../gateway/main.ts";
import type { Bus } from "../shared/cluster/bus.ts";
import { NO_VIEW, viewFrom } from "../shared/cluster/view.ts";
import { createAlignedClock } from "../shared/platform/clock.ts";
import { createLog } from "../shared/platform/log.ts";
import { createMetrics } from "../shared/platform/metrics.ts";
import { migrate } from "../shared/platform/migrate.ts";
import { natsBus } from "../shared/platform/nats-bus.ts";
import { createPool, type Pool } from "../shared/platform/postgres.ts";
import { loadSecrets } from "../shared/platform/secrets.ts";
import { Shutdown } from "../shared/platform/shutdown.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { type Command, EXIT_OK, parseFlags } from "./command.ts";
import { type Joinable, joinableConfig, linkToNats } from "./joining.ts";
import { findParent } from "./parent.ts";
import { VERSION } from "./version.ts";

const CONNECTIONS_MAX = 8;
const STATEMENT_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 2_000;
const DRAIN_MAX_MS = 20_000;

export const gatewayCommand: Command = {
  name: "gateway",
  usage: "[--port N]",
  summary: "run one gateway of a cluster; DATABASE_URLS and NATS_URL say where the rest is",
  flags: ["--port N       where it listens (default: PORT, else 8080); 0 takes any free port"],
  async run(args, io) {
    const { values } = parseFlags(args, { port: { type: "string" } });
    const joinable = joinableConfig(io.env, values);
    const gatewayId = `gateway-${randomBytes(6).toString("hex")}`;
    const log = createLog({ level: joinable.config.logLevel, name: gatewayId });
    const shutdown = new Shutdown({ log, timers: systemTimers, host: process });
    const parent = findParent(shutdown);
    try {
      const url = await bringUp(gatewayId, { ...joinable, log, shutdown });
      io.say(`ready ${url}`);
      parent.ready({ url });
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

interface Start extends Joinable {
  readonly log: ReturnType<typeof createLog>;
  readonly shutdown: Shutdown;
}

async function bringUp(gatewayId: string, start: Start): Promise<string> {
  const { config, databaseUrl, nats, log, shutdown } = start;
  const timers = systemTimers;
  await migrate(databaseUrl);
  const pool = createPool({
    url: databaseUrl,
    max: CONNECTIONS_MAX,
    applicationName: `usher ${gatewayId}`,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log,
  });
  shutdown.add({ name: "postgres", stop: () => pool.end() });
  const clock = createAlignedClock();
  const watch = new ClockWatch({ pool, clock, timers });
  await watch.start();
  shutdown.add({ name: "clock", stop: () => watch.stop() });
  const link = await linkToNats({ nats, name: `usher ${gatewayId}`, log, shutdown });
  const bus = natsBus(link);
  const client = new AllocatorClient({
    gatewayId,
    bus,
    readView: () => readView(pool),
    timers,
    now: () => clock.reading(),
    random: Math.random,
    log,
  });
  await client.start();
  shutdown.add({ name: "allocators", stop: async () => client.stop() });
  const gateway = await startGateway({
    allocator: client,
    catalogue: openCatalogue(start, { pool, allocator: client, clock, timers, log }, bus),
    pool,
    secrets: await loadSecrets(pool),
    log,
    metrics: createMetrics(),
    clock,
    timers,
    config: { host: config.host, port: config.port, limits: GATEWAY_LIMITS },
    paymentWebhookSecrets: config.paymentWebhookSecrets,
    version: VERSION,
  });
  shutdown.add({ name: "gateway", stop: () => gateway.stop(), boundMs: DRAIN_MAX_MS });
  return gateway.url;
}

function openCatalogue(
  { config, shutdown }: Start,
  parts: Omit<CatalogueParts, "defaults" | "onChanged">,
  bus: Bus,
): Catalogue {
  const defaults = {
    holdTtlS: config.holdTtlMs / 1000,
    graceS: config.holdGraceMs / 1000,
    offerTtlS: config.offerTtlMs / 1000,
  };
  const catalogue = assembleCatalogue({ ...parts, defaults, onChanged: tellOthers(bus) });
  const hearNoMore = hearOthers(bus, () => catalogue.invalidate());
  shutdown.add({ name: "catalogue", stop: async () => hearNoMore() });
  return catalogue;
}

async function readView(pool: Pool) {
  const { rows } = await pool.query({ name: "view", text: "SELECT version, members FROM cluster_view" });
  return viewFrom(rows[0]) ?? NO_VIEW;
}
