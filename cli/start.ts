// `usher start`: the whole product on this machine. Postgres and the payment simulator are child processes, allocator
// and gateway live in this one.
// Z1: what was started last is stopped first: the gateway answers what is under way, the allocator commits what it has,
//     Postgres goes last. Nothing is left behind, also when the end is asked for in the middle of the start.
// Z2: `ready` is said when a booking can be made.

import { createServer } from "node:net";
import { DEMO_SHOW_ID } from "../demo/catalogue/generate.ts";
import { GATEWAY_LIMITS } from "../gateway/config.ts";
import { identityOf } from "../shared/platform/embedded-postgres/process-facts.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../shared/platform/embedded-postgres.ts";
import { makeFolder } from "../shared/platform/folder.ts";
import { createLog, type Log } from "../shared/platform/log.ts";
import { createMetrics } from "../shared/platform/metrics.ts";
import { migrate } from "../shared/platform/migrate.ts";
import { createPool } from "../shared/platform/postgres.ts";
import { Shutdown } from "../shared/platform/shutdown.ts";
import { fileFault, StartFault, systemCodeOf } from "../shared/platform/start-fault.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { type Command, DATA_FLAG, EXIT_FAILED, EXIT_OK, type Io, parseFlags } from "./command.ts";
import { type Config, readConfig } from "./config.ts";
import { DATA_DIR_MODE, importDemo } from "./demo-part.ts";
import { firstSteps, showToBook } from "./first-steps.ts";
import { chooseSinks } from "./news-sinks.ts";
import { choosePayments } from "./payment-part.ts";
import { postgresDirOf, removeRuntime, writeRuntime } from "./runtime-file.ts";
import { type SingleNode, startSingleNode } from "./single-node.ts";
import { Supervised } from "./supervised.ts";
import { VERSION } from "./version.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** A fast shutdown of Postgres, and its two harder ways. */
const POSTGRES_STOP_MAX_MS = 45_000;
const DRAIN_MAX_MS = 20_000;

export const startCommand: Command = {
  name: "start",
  usage: "[--port N] [--data DIR] [--no-demo]",
  summary: "run everything on this machine: Postgres, an allocator, a gateway, the payment simulator",
  flags: [
    "--port N       where the gateway listens (default: PORT, else 8080); 0 takes any free port",
    DATA_FLAG,
    "--no-demo      no demo catalogue at first start",
  ],
  async run(args, io) {
    const { values } = parseFlags(args, {
      port: { type: "string" },
      data: { type: "string" },
      "no-demo": { type: "boolean", default: false },
    });
    const config = readConfig(io.env, values);
    const log = createLog({ level: config.logLevel, name: "usher" });
    const shutdown = new Shutdown({ log, timers: systemTimers, host: process });
    let displacedBy: string | undefined;
    try {
      const node = await bringUp({ config, log, shutdown, io, withDemo: !values["no-demo"] });
      displacedBy = await Promise.race([shutdown.requested.then(() => undefined), node.displaced]);
    } catch (error) {
      // Ctrl-C during the start makes its steps fail; that is no failure.
      if (!shutdown.signal.aborted) throw error;
    } finally {
      await shutdown.run();
    }
    if (displacedBy === undefined) return EXIT_OK;
    io.warn(displacedBy);
    return EXIT_FAILED;
  },
};

interface Start {
  readonly config: Config;
  readonly log: Log;
  readonly shutdown: Shutdown;
  readonly io: Io;
  readonly withDemo: boolean;
}

async function bringUp(start: Start): Promise<SingleNode> {
  const { config, log, shutdown, io } = start;
  const { signal } = shutdown;
  await checkPort(config);
  await makeFolder(config.dataDir, DATA_DIR_MODE).catch((error: unknown) => {
    throw fileFault(config.dataDir, error);
  });
  const embedded = config.databaseUrl === undefined ? await startPostgres(start) : undefined;
  const databaseUrl = config.databaseUrl ?? embedded?.current.url ?? "";
  signal.throwIfAborted();
  await migrate(databaseUrl);
  signal.throwIfAborted();
  const payments = await choosePayments(start);
  const pool = createPool({
    url: databaseUrl,
    max: 2,
    applicationName: "usher start",
    statementTimeoutMs: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log,
  });
  try {
    // The operator's own database is theirs to fill.
    if (embedded !== undefined && start.withDemo) await importDemo(pool, io);
    signal.throwIfAborted();
    const metrics = createMetrics();
    const sinks = await chooseSinks({ config, databaseUrl, log, metrics, shutdown });
    signal.throwIfAborted();
    const node = await startSingleNode({
      databaseUrl,
      gateway: { host: config.host, port: config.port, limits: GATEWAY_LIMITS },
      payments: payments?.gateway,
      paymentLookUpAfterMs: config.paymentLookUpAfterMs,
      paymentWebhookSecrets: payments?.webhookSecrets ?? [],
      payTtlMs: config.payTtlMs,
      cancelUntilMs: config.cancelUntilMs,
      releaseOnDecline: config.releaseOnDecline,
      holdTtlMs: config.holdTtlMs,
      graceMs: config.holdGraceMs,
      offerTtlMs: config.offerTtlMs,
      sinks,
      version: VERSION,
      log,
      metrics,
    });
    shutdown.add({ name: "node", stop: node.stop, boundMs: DRAIN_MAX_MS });
    payments?.tellUrl(node.url);
    if (embedded !== undefined) await noteRuntime(config, databaseUrl, node.url, payments?.simulatorUrl);
    io.say(`ready ${node.url}`);
    for (const line of firstSteps(node.url, await showToBook(pool, DEMO_SHOW_ID))) io.say(line);
    return node;
  } finally {
    await pool.end();
  }
}

const noteRuntime = (config: Config, databaseUrl: string, url: string, paymentsUrl: string | undefined) =>
  writeRuntime(config.dataDir, {
    pid: process.pid,
    postgres_url: databaseUrl,
    url,
    ...(paymentsUrl === undefined ? {} : { payments_url: paymentsUrl }),
  });

async function startPostgres({ config, log, shutdown }: Start): Promise<Supervised<EmbeddedPostgres>> {
  const { dataDir } = config;
  const supervised = await Supervised.start({
    name: "postgres",
    // The same port again: everybody's pools go on with the address they have.
    start: (previous: EmbeddedPostgres | undefined) =>
      startEmbeddedPostgres({ dataDir: postgresDirOf(dataDir), port: previous?.port ?? 0, log }),
    timers: systemTimers,
    log,
  });
  shutdown.add({
    name: "postgres",
    stop: async () => {
      await supervised.stop();
      await removeRuntime(dataDir);
    },
    force: () => quit(supervised.current.pid),
    boundMs: POSTGRES_STOP_MAX_MS,
  });
  await writeRuntime(dataDir, { pid: process.pid, postgres_url: supervised.current.url });
  return supervised;
}

/** At once: the next start replays its log. */
function quit(pid: number): void {
  if (identityOf(pid) !== undefined) process.kill(pid, "SIGQUIT");
}

/** Before anything is started: a taken port is the commonest mistake of all. */
async function checkPort({ host, port }: Config): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (error) => {
      const code = systemCodeOf(error);
      if (code === "EADDRINUSE") {
        reject(new StartFault("port_taken", `Port ${port} is in use; choose another one with --port.`, error));
      } else {
        // What else may be wrong, the gateway says.
        resolve();
      }
    });
    probe.listen({ host, port }, () => probe.close(() => resolve()));
  });
}
