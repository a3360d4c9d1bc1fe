// What compose.yaml starts, started here without containers: NATS with its own file, and the services of our image by
// the very commands, environments and health checks that stand there, only at other addresses.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { silentLog } from "../../shared/platform/log.ts";
import { findProgram, NATS_PROGRAM } from "../../shared/platform/native-server/find-program.ts";
import { until } from "./allocator.ts";
import { type TestScope, testFolder } from "./postgres.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What .env would say. */
export const FILLED_IN: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: "pPostgres1",
  NATS_ALLOCATOR_PASSWORD: "pAllocator1",
  NATS_GATEWAY_PASSWORD: "pGateway1",
  REDIS_PASSWORD: "pRedis1",
  PAYMENT_KEY: "pKey1",
  PAYMENT_WEBHOOK_SECRET: "pSecret1",
  LOG_LEVEL: "info",
};

export interface DeployedNats {
  /** As that role. */
  urlOf(role: "allocator" | "gateway", password?: string): string;
  readonly monitorUrl: string;
  readonly port: number;
}

/** A real nats-server with deploy/nats.conf; only ports and folder are others. */
export async function startDeployedNats(t: TestScope): Promise<DeployedNats> {
  const folder = await testFolder(t);
  const { NATS_ALLOCATOR_PASSWORD = "", NATS_GATEWAY_PASSWORD = "" } = FILLED_IN;
  // The one thing that no flag overrides.
  const text = readFileSync(`${ROOT}deploy/nats.conf`, "utf8").replace("/var/tmp/nats", join(folder, "jetstream"));
  const path = join(folder, "nats.conf");
  writeFileSync(path, text);
  const places = ["--addr=127.0.0.1", "--port=-1", "--http_port=-1", `--ports_file_dir=${folder}`];
  const child = spawn(await findProgram(NATS_PROGRAM, silentLog()), ["--config", path, ...places], {
    cwd: ROOT,
    env: { NATS_ALLOCATOR_PASSWORD, NATS_GATEWAY_PASSWORD },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { end, said } = watched(child);
  t.teardown(end);
  let ports: { readonly nats: readonly string[]; readonly monitoring: readonly string[] } | undefined;
  await until("NATS has written where it listens", () => {
    if (child.exitCode !== null) throw new Error(`nats-server ended: ${said()}`);
    const name = readdirSync(folder).find((each) => each.endsWith(".ports"));
    const text = name === undefined ? "" : readFileSync(join(folder, name), "utf8");
    ports = text.endsWith("}") ? (JSON.parse(text) as typeof ports) : undefined;
    return ports !== undefined;
  });
  const port = Number(new URL(ports?.nats[0] ?? "").port);
  const passwords = { allocator: NATS_ALLOCATOR_PASSWORD, gateway: NATS_GATEWAY_PASSWORD };
  return {
    urlOf: (role, password = passwords[role]) => `nats://${role}:${password}@127.0.0.1:${port}`,
    monitorUrl: ports?.monitoring[0] ?? "",
    port,
  };
}

interface Service {
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

export interface RunningService {
  readonly child: ChildProcess;
  readonly port: number;
  /** Its own health check, run once. */
  isHealthy(): Promise<boolean>;
  /** SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
  said(): string;
}

export interface Place {
  /** What is in the file, and what it is here: `postgres:5432` and so on. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly dataDir: string;
}

/** A service of our image. */
export async function runService(t: TestScope, name: string, place: Place): Promise<RunningService> {
  const { services } = parse(readFileSync(`${ROOT}compose.yaml`, "utf8"), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>;
  };
  const service = services[name];
  if (service === undefined) throw new Error(`compose.yaml has no ${name}`);
  const [, address = ""] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(service.healthcheck.test.join(" ")) ?? [];
  const port = await freePort();
  const here = (text: string): string => {
    const filled = text.replace(
      /\$\{([A-Z0-9_]+)(?::[?-]([^}]*))?\}/g,
      (_, key: string, other = "") => FILLED_IN[key] ?? other,
    );
    const moved = Object.entries(place.addresses).reduce((all, [from, to]) => all.replaceAll(from, to), filled);
    return moved.replace("0.0.0.0", "127.0.0.1").replace("/data", place.dataDir).replaceAll(address, String(port));
  };
  const environment = Object.entries(service.environment).map(([key, value]) => [key, here(value)]);
  const [program = "", ...args] = [...(service.entrypoint ?? entrypointOfImage()), ...service.command.map(here)];
  const child = spawn(program === "node" ? process.execPath : program, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...Object.fromEntries(environment), ...databaseOf(service, place) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { end, said } = watched(child);
  t.teardown(end);
  const [, check = "", ...checkArgs] = service.healthcheck.test.map(here);
  return {
    child,
    port,
    said,
    isHealthy: () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended: ${said()}`);
      return succeeds(check === "node" ? process.execPath : check, checkArgs);
    },
    async stop() {
      child.kill("SIGTERM");
      await gone(child);
      return child.exitCode;
    },
  };
}

const databaseOf = ({ environment }: Service, { databaseUrl }: Place): Record<string, string> =>
  "DATABASE_URLS" in environment ? { DATABASE_URLS: databaseUrl } : {};

function entrypointOfImage(): string[] {
  const [, list = "[]"] = /^ENTRYPOINT (.*)$/m.exec(readFileSync(`${ROOT}deploy/Dockerfile`, "utf8")) ?? [];
  return JSON.parse(list) as string[];
}

const gone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

function watched(child: ChildProcess): { end: () => Promise<void>; said: () => string } {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone(child);
  };
  return { end, said: () => said };
}

const succeeds = (program: string, args: readonly string[]): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(program, [...args], { cwd: ROOT }, (error) => resolve(error === null));
  });

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const at = probe.address();
      probe.close(() => resolve(typeof at === "object" && at !== null ? at.port : 0));
    });
  });
}
