// A whole cluster for a benchmark, as `usher cluster` starts it: every part a process of its own, data in a temporary
// folder. Knows what each part costs, and can kill nodes and start further ones.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueToken } from "../cli/token.ts";
import { createPool, type Pool } from "../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import type { TestScope } from "../test/harness/postgres.ts";
import { isAlive, treeOf } from "../test/harness/processes.ts";
import { type RunningCommand, usher } from "../test/harness/product.ts";

const TOKEN_TTL_S = 24 * 3_600;
const CONNECTIONS_MAX = 4;
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
  try {
    return await bringUp(options, dataDir, ends);
  } catch (error) {
    await endAll(ends);
    throw error;
  }
}

async function endAll(ends: (() => Promise<void>)[]): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

async function bringUp(
  { allocators, gateways, environment = {} }: BenchClusterOptions,
  dataDir: string,
  ends: (() => Promise<void>)[],
): Promise<BenchCluster> {
  const scope: TestScope = { teardown: (end) => void ends.push(end) };
  const counts = ["--allocators", String(allocators), "--gateways", String(gateways)];
  const env = { PAYMENT_URL: "instant:", BOOKING_ATTEMPTS_PER_MIN: "0", LOG_LEVEL: "error", ...environment };
  const command = usher(scope, ["cluster", ...counts, "--data", dataDir, "--no-demo"], env);
  const ready = await command.line(/^\{/);
  if (ready === undefined) throw new Error(`usher cluster ended: ${(await command.ended).stderr}`);
  ends.push(async () => {
    command.child.kill("SIGINT");
    await command.ended;
  });
  const at = JSON.parse(ready) as Whereabouts;
  const pool = createPool({
    url: databaseUrlOf(at),
    max: CONNECTIONS_MAX,
    applicationName: "usher bench",
    statementTimeoutMs: 0,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  ends.push(() => pool.end());
  return new BenchCluster({ at, env, pool, scope, stop: () => endAll(ends) });
}

interface ClusterParts {
  readonly at: Whereabouts;
  readonly env: Record<string, string>;
  readonly pool: Pool;
  readonly scope: TestScope;
  readonly stop: () => Promise<void>;
}

export class BenchCluster {
  readonly #parts: ClusterParts;
  /** Those that did not start with the cluster, by their pid. */
  readonly #started = new Map<number, RunningCommand>();
  #nodes: readonly BenchNode[];

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    this.#nodes = parts.at.allocators.map(({ node_id, pid }) => ({ nodeId: node_id, pid }));
  }

  get urls(): readonly string[] {
    return this.#parts.at.gateways.map(({ url }) => url);
  }

  get gatewayPids(): readonly number[] {
    return this.#parts.at.gateways.map(({ pid }) => pid);
  }

  /** Of this moment: those that were killed are gone, those that were started are there. */
  get nodes(): readonly BenchNode[] {
    return this.#nodes;
  }

  get pool(): Pool {
    return this.#parts.pool;
  }

  adminToken(): Promise<string> {
    return issueToken(this.pool, ["admin"], TOKEN_TTL_S);
  }

  /** As `kill -9`. */
  kill(node: BenchNode): void {
    this.#nodes = this.#nodes.filter((other) => other !== node);
    process.kill(node.pid, "SIGKILL");
  }

  /** `usher allocator`; resolves when it has joined. */
  async startNode(nodeId: string): Promise<BenchNode> {
    const { at, env, scope } = this.#parts;
    const joining = { ...env, DATABASE_URLS: databaseUrlOf(at), NATS_URL: at.nats.url };
    const command = usher(scope, ["allocator", "--node", nodeId], joining);
    if ((await command.line(/^ready /)) === undefined) {
      throw new Error(`usher allocator ended: ${(await command.ended).stderr}`);
    }
    const node = { nodeId, pid: command.child.pid ?? Number.NaN };
    this.#started.set(node.pid, command);
    this.#nodes = [...this.#nodes, node];
    return node;
  }

  /** SIGTERM: it hands its shows on; resolves when it is gone. */
  async stopNode(node: BenchNode): Promise<void> {
    this.#nodes = this.#nodes.filter((other) => other !== node);
    process.kill(node.pid, "SIGTERM");
    await this.#started.get(node.pid)?.ended;
    while (isAlive(node.pid)) await sleepMs(GONE_LOOK_MS, systemTimers);
  }

  async cpu(): Promise<CpuReading> {
    const { at } = this.#parts;
    const { user, system } = process.cpuUsage();
    const parts: [name: string, pid: number][] = [
      ...this.gatewayPids.map((pid, i): [string, number] => [`gateway ${i + 1}`, pid]),
      ...this.#nodes.map(({ nodeId, pid }): [string, number] => [`allocator ${nodeId}`, pid]),
      ["postgres", (at.postgres[0] as Place).pid],
      ["nats", at.nats.pid],
    ];
    const readings = await Promise.all(parts.map(async ([name, pid]) => [name, await cpuSecondsOf(pid)] as const));
    return new Map([...readings, ["load", (user + system) / 1e6]]);
  }

  stop(): Promise<void> {
    return this.#parts.stop();
  }
}

const databaseUrlOf = (at: Whereabouts): string => (at.postgres[0] as Place).url;

/** Of a process and of everything it started, also of what has ended since. */
async function cpuSecondsOf(root: number): Promise<number> {
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
  // Who is not there any more is not in it.
  const spent = [...after].map(([name, s]) => [name, ((s - (before.get(name) ?? 0)) * 1e6) / count] as const);
  const all = spent.reduce((sum, [, us]) => sum + us, 0);
  const parts = spent.sort((a, b) => b[1] - a[1]).map(([name, us]) => `${name} ${us.toFixed(0)}`);
  return `${all.toFixed(0)} µs of CPU (${parts.join(", ")})`;
}
