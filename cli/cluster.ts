// `usher cluster`: a whole cluster on this machine, each part a process of its own: Postgres, NATS, Redis, the payment
// simulator, allocators, gateways. For trying out, measuring and breaking: a part that dies is not started again.
// X1: what was started last is stopped first: the gateways answer, the allocators hand on and commit, Postgres goes last.
// X2: stdout has one line of JSON that says where everything is, when a booking can be made.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SIMULATOR_KEY } from "../demo/payment-simulator/server.ts";
import { startEmbeddedPostgres } from "../shared/platform/embedded-postgres.ts";
import { makeFolder } from "../shared/platform/folder.ts";
import { createLog, type Log } from "../shared/platform/log.ts";
import { migrate } from "../shared/platform/migrate.ts";
import { startNatsServer, startRedisServer } from "../shared/platform/native-server.ts";
import { createPool } from "../shared/platform/postgres.ts";
import { Shutdown } from "../shared/platform/shutdown.ts";
import { fileFault, StartFault } from "../shared/platform/start-fault.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { type Command, DATA_FLAG, EXIT_OK, type Io, parseFlags } from "./command.ts";
import { type Config, type Environment, readConfig } from "./config.ts";
import { DATA_DIR_MODE, importDemo } from "./demo-part.ts";
import { type PartProcess, startPart } from "./part-process.ts";
import { paymentsDirOf, postgresDirOf, removeRuntime, writeRuntime } from "./runtime-file.ts";
import { startSimulator } from "./simulator-process.ts";

const ALLOCATORS_MAX = 32;
const GATEWAYS_MAX = 32;
/** An allocator's connections: its lanes and questions, its beats, its membership, its lock; a gateway's. */
const CONNECTIONS_PER_PART = 24;
const CONNECTIONS_BESIDE = 40;
const CONNECT_TIMEOUT_MS = 10_000;
const POSTGRES_STOP_MAX_MS = 45_000;
const PARTS_STOP_MAX_MS = 40_000;

export const clusterCommand: Command = {
  name: "cluster",
  usage: "[--allocators N] [--gateways N] [--port N] [--data DIR] [--no-demo]",
  summary: "run a whole cluster on this machine, each part its own process; prints where they are as JSON",
  flags: [
    "--allocators N how many allocators (default 3)",
    "--gateways N   how many gateways (default 2)",
    "--port N       where the first gateway listens, the others on the ports after it (default 0: any free ones)",
    DATA_FLAG,
    "--no-demo      no demo catalogue at first start",
  ],
  async run(args, io) {
    const { values } = parseFlags(args, {
      allocators: { type: "string", default: "3" },
      gateways: { type: "string", default: "2" },
      port: { type: "string", default: "0" },
      data: { type: "string" },
      "no-demo": { type: "boolean", default: false },
    });
    const allocators = countOf("--allocators", values.allocators, ALLOCATORS_MAX);
    const gateways = countOf("--gateways", values.gateways, GATEWAYS_MAX);
    const config = readConfig(io.env, { data: values.data, port: values.port });
    if (config.databaseUrl !== undefined || config.nats !== undefined) {
      throw new StartFault(
        "config",
        'usher cluster starts its own Postgres and NATS: unset DATABASE_URLS and NATS_URL, or use "usher allocator" and "usher gateway".',
      );
    }
    const log = createLog({ level: config.logLevel, name: "cluster" });
    const shutdown = new Shutdown({ log, timers: systemTimers, host: process });
    try {
      const withDemo = !values["no-demo"];
      io.say(JSON.stringify(await bringUp({ config, log, shutdown, io, allocators, gateways, withDemo })));
      await shutdown.requested;
    } catch (error) {
      if (!shutdown.signal.aborted) throw error;
    } finally {
      await shutdown.run();
    }
    return EXIT_OK;
  },
};

function countOf(flag: string, text: string, max: number): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  throw new StartFault("usage", `${flag} takes a whole number from 1 to ${max}, not "${text}".`);
}

interface Start {
  readonly config: Config;
  readonly log: Log;
  readonly shutdown: Shutdown;
  readonly io: Io;
  readonly allocators: number;
  readonly gateways: number;
  readonly withDemo: boolean;
}

interface Place {
  readonly url: string;
  readonly pid: number;
}

interface Whereabouts {
  readonly gateways: readonly Place[];
  readonly allocators: readonly (Place & { readonly node_id: string })[];
  readonly postgres: readonly Place[];
  readonly nats: Place;
  readonly redis: Place;
  readonly payments: Place | undefined;
}

async function bringUp(start: Start): Promise<Whereabouts> {
  const { config, shutdown, io } = start;
  const { signal } = shutdown;
  await makeFolder(config.dataDir, DATA_DIR_MODE).catch((error: unknown) => {
    throw fileFault(config.dataDir, error);
  });
  const postgres = await startPostgres(start);
  signal.throwIfAborted();
  const { nats, redis } = await startServers(start);
  signal.throwIfAborted();
  const webhookSecret = `whsec_${randomBytes(24).toString("hex")}`;
  const simulator = await startPayments(start);
  await migrate(postgres.url);
  if (start.withDemo) await fill(postgres.url, start);
  signal.throwIfAborted();
  const env: Environment = {
    ...io.env,
    DATABASE_URLS: postgres.url,
    NATS_URL: nats.url,
    ...(simulator === undefined
      ? {}
      : { PAYMENT_URL: simulator.url, PAYMENT_KEY: SIMULATOR_KEY, PAYMENT_WEBHOOK_SECRET: webhookSecret }),
  };
  const nodeIds = Array.from({ length: start.allocators }, (_, i) => `n${i + 1}`);
  const allocators = await startParts(
    start,
    "allocators",
    nodeIds.map((nodeId) => ["allocator", "--node", nodeId]),
    // Each at a port of its own, whatever the environment says.
    { ...env, HEALTH_PORT: "0" },
  );
  const portOf = (i: number): string => String(config.port === 0 ? 0 : config.port + i);
  const gateways = await startParts(
    start,
    "gateways",
    Array.from({ length: start.gateways }, (_, i) => ["gateway", "--port", portOf(i)]),
    env,
  );
  const places = gateways.map(({ facts, pid }) => ({ url: facts.url ?? "", pid }));
  const firstUrl = places[0]?.url ?? "";
  simulator?.sendWebhooksTo({ url: new URL("/v1/payments/webhook", firstUrl).href, secret: webhookSecret });
  await writeRuntime(config.dataDir, {
    pid: process.pid,
    postgres_url: postgres.url,
    url: firstUrl,
    ...(simulator === undefined ? {} : { payments_url: simulator.url }),
  });
  return {
    gateways: places,
    allocators: allocators.map(({ facts, pid }) => ({ node_id: facts.node_id ?? "", url: facts.url ?? "", pid })),
    postgres: [postgres],
    nats,
    redis,
    payments: simulator === undefined ? undefined : { url: simulator.url, pid: simulator.pid },
  };
}

async function startPostgres({ config, log, shutdown, allocators, gateways }: Start): Promise<Place> {
  const connectionsMax = (allocators + gateways) * CONNECTIONS_PER_PART + CONNECTIONS_BESIDE;
  const server = await startEmbeddedPostgres({
    dataDir: postgresDirOf(config.dataDir),
    settings: { max_connections: String(connectionsMax) },
    log,
  });
  shutdown.add({
    name: "postgres",
    boundMs: POSTGRES_STOP_MAX_MS,
    stop: async () => {
      await server.stop();
      await removeRuntime(config.dataDir);
    },
  });
  await writeRuntime(config.dataDir, { pid: process.pid, postgres_url: server.url });
  return { url: server.url, pid: server.pid };
}

async function startServers({ config, log, shutdown }: Start): Promise<{ nats: Place; redis: Place }> {
  const nats = await startNatsServer({ dataDir: join(config.dataDir, "nats"), log });
  shutdown.add({ name: "nats-server", stop: () => nats.stop() });
  const redis = await startRedisServer({ dataDir: join(config.dataDir, "redis"), log });
  shutdown.add({ name: "redis-server", stop: () => redis.stop() });
  return { nats: { url: nats.url, pid: nats.pid }, redis: { url: redis.url, pid: redis.pid } };
}

async function startPayments({ config, shutdown }: Start) {
  if (config.payment.kind !== "simulator") return undefined;
  const simulator = await startSimulator({ dataDir: paymentsDirOf(config.dataDir), port: 0, apiKey: SIMULATOR_KEY });
  shutdown.add({ name: "payment simulator", stop: () => simulator.stop(), force: () => simulator.kill() });
  return simulator;
}

async function fill(databaseUrl: string, { log, io }: Start): Promise<void> {
  const pool = createPool({
    url: databaseUrl,
    max: 1,
    applicationName: "usher cluster",
    statementTimeoutMs: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log,
  });
  try {
    await importDemo(pool, io);
  } finally {
    await pool.end();
  }
}

/** All at once; stopped all at once too. */
async function startParts(
  { shutdown }: Start,
  name: string,
  commands: readonly (readonly string[])[],
  env: Environment,
): Promise<PartProcess[]> {
  const started: PartProcess[] = [];
  shutdown.add({
    name,
    boundMs: PARTS_STOP_MAX_MS,
    stop: async () => {
      await Promise.all(started.map((part) => part.stop()));
    },
    force: () => {
      for (const part of started) part.kill();
    },
  });
  const outcomes = await Promise.allSettled(
    commands.map(async (command) => {
      const part = await startPart(command, env);
      started.push(part);
      return part;
    }),
  );
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
