// A whole cluster for a benchmark, as `usher cluster` starts it: every part a process of its own, data in a temporary
// folder. Knows what each part costs, and can kill nodes and start further ones.

import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueToken } from "../cli/token.ts";
import { createPool, type Pool } from "../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { isAlive, treeOf } from "../test/harness/processes.ts";
import { usher } from "../test/harness/product.ts";

const TOKEN_TTL_S = 24 * 3_600;
const CONNECT_TIMEOUT_MS = 10_000;
const GONE_LOOK_MS = 10;
/** USER_HZ, which Linux fixes for what it tells of processes. */
const TICKS_PER_S = 100;

export interface BenchClusterOptions {
  readonly allocators: number;
  readonly gateways: number;
  /** On top of the caller's. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface BenchNode {
  readonly nodeId: string;
  readonly pid: number;
}

export interface BenchCluster {
  readonly urls: readonly string[];
  readonly gatewayPids: readonly number[];
  /** Of this moment: those that were killed are gone, those that were started are there. */
  readonly nodes: readonly BenchNode[];
  readonly pool: Pool;
  adminToken(): Promise<string>;
  /** As `kill -9`. */
  kill(node: BenchNode): void;
  /** `usher allocator`; resolves when it has joined. */
  startNode(nodeId: string): Promise<BenchNode>;
  /** SIGTERM: hands its shows on; resolves when it is gone. */
  stopNode(node: BenchNode): Promise<void>;
  cpu(): Promise<CpuReading>;
  stop(): Promise<void>;
}

/** Seconds of CPU since each part's start, by its name. */
export type CpuReading = ReadonlyMap<string, number>;

interface Place {
  readonly url: string;
  readonly pid: number;
}

interface Whereabouts {
  readonly gateways: readonly Place[];
  readonly allocators: readonly { readonly node_id: string; readonly pid: number }[];
  readonly postgres: readonly Place[];
  readonly nats: Place;
  readonly redis: Place;
  readonly payments?: Place;
}

/** Rejects when it does not get ready. */
export async function startBenchCluster(options: BenchClusterOptions): Promise<BenchCluster> {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-bench-cluster-"));
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  const end = async (): Promise<void> => {
    for (const each of ends.splice(0).reverse()) await each();
  };
  try {
    return await bringUp(options, dataDir, ends, end);
  } catch (error) {
    await end();
    throw error;
  }
}

async function bringUp(
  { allocators, gateways, environment = {} }: BenchClusterOptions,
  dataDir: string,
  ends: (() => Promise<void>)[],
  end: () => Promise<void>,
): Promise<BenchCluster> {
  const scope = { teardown: (last: () => Promise<void>) => void ends.push(last) };
  const counts = ["--allocators", String(allocators), "--gateways", String(gateways)];
  const env = { PAYMENT_URL: "instant:", BOOKING_ATTEMPTS_PER_MIN: "0", LOG_LEVEL: "error", ...environment };
  const cluster = usher(scope, ["cluster", ...counts, "--data", dataDir, "--no-demo"], env);
  const ready = await cluster.line(/^\{/);
  if (ready === undefined) throw new Error(`usher cluster ended: ${(await cluster.ended).stderr}`);
  ends.push(async () => {
    cluster.child.kill("SIGINT");
    await cluster.ended;
  });
  const at = JSON.parse(ready) as Whereabouts;
  const databaseUrl = (at.postgres[0] as Place).url;
  const pool = createPool({
    url: databaseUrl,
    max: 4,
    applicationName: "usher bench",
    statementTimeoutMs: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  ends.push(() => pool.end());
  const started = new Map<number, ReturnType<typeof usher>>();
  let nodes: BenchNode[] = at.allocators.map(({ node_id, pid }) => ({ nodeId: node_id, pid }));
  const without = (node: BenchNode): void => {
    nodes = nodes.filter((other) => other !== node);
  };
  return {
    urls: at.gateways.map(({ url }) => url),
    gatewayPids: at.gateways.map(({ pid }) => pid),
    get nodes() {
      return nodes;
    },
    pool,
    adminToken: () => issueToken(pool, ["admin"], TOKEN_TTL_S),
    kill(node) {
      without(node);
      process.kill(node.pid, "SIGKILL");
    },
    async startNode(nodeId) {
      const joining = { ...env, DATABASE_URLS: databaseUrl, NATS_URL: at.nats.url };
      const command = usher(scope, ["allocator", "--node", nodeId], joining);
      if ((await command.line(/^ready /)) === undefined) {
        throw new Error(`usher allocator ended: ${(await command.ended).stderr}`);
      }
      const node = { nodeId, pid: pidOf(command.child) };
      started.set(node.pid, command);
      nodes = [...nodes, node];
      return node;
    },
    async stopNode(node) {
      without(node);
      process.kill(node.pid, "SIGTERM");
      await started.get(node.pid)?.ended;
      while (isAlive(node.pid)) await sleepMs(GONE_LOOK_MS, systemTimers);
    },
    cpu: () => cpuOf(at, nodes),
    stop: end,
  };
}

const pidOf = (child: ChildProcess): number => child.pid ?? Number.NaN;

async function cpuOf(at: Whereabouts, nodes: readonly BenchNode[]): Promise<CpuReading> {
  const { user, system } = process.cpuUsage();
  const parts: [name: string, pid: number][] = [
    ...at.gateways.map(({ pid }, i): [string, number] => [`gateway ${i + 1}`, pid]),
    ...nodes.map(({ nodeId, pid }): [string, number] => [`allocator ${nodeId}`, pid]),
    ["postgres", (at.postgres[0] as Place).pid],
    ["nats", at.nats.pid],
  ];
  const readings = await Promise.all(parts.map(async ([name, pid]) => [name, await cpuSecondsOf(pid)] as const));
  return new Map([...readings, ["load", (user + system) / 1e6]]);
}

/** Of a process and of everything it started, also of what has ended since. */
export async function cpuSecondsOf(root: number): Promise<number> {
  let ticks = 0;
  for (const pid of await treeOf(root)) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime, stime, and the two of children that were waited for.
    for (const at of [11, 12, 13, 14]) ticks += Number(fields[at] ?? 0);
  }
  return ticks / TICKS_PER_S;
}

/** Microseconds of CPU for each of `count` things done between two readings, dearest first. */
export function cpuPerThing(before: CpuReading, after: CpuReading, count: number): string {
  const spent = [...after].map(([name, s]) => [name, ((s - (before.get(name) ?? 0)) * 1e6) / count] as const);
  const all = spent.reduce((sum, [, us]) => sum + us, 0);
  const parts = spent.sort((a, b) => b[1] - a[1]).map(([name, us]) => `${name} ${us.toFixed(0)}`);
  return `${all.toFixed(0)} µs of CPU (${parts.join(", ")})`;
}
