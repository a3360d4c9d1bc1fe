// Full bookings through a cluster: HTTP to `usher gateway`, NATS to `usher allocator`, Postgres with fsync, instant
// payments; and locks alone beside a bare Hono server that answers JSON with JSON.
// C1: bookings, locks and echo take turns, round by round, so that each meets the same machine; a ratio is of one round.
// C2: the load is one process and shares the cores with everything else, as the echo server and its load do.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build, type Histogram } from "hdr-histogram-js";
import { type BenchOptions, type Figure, median } from "./bench.ts";
import { type Act, closedLoop, type LoopResult } from "./closed-loop.ts";
import { type BenchCluster, cpuPerThing, startBenchCluster } from "./cluster.ts";
import { Shop } from "./shop.ts";

const SHOWS = 2_000;
/** Locks are not given back: enough shows for all of them. */
const LOCK_SHOWS = 4_000;
const CONNECTIONS = 128;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 4_000;
const BOOKINGS_AT_LEAST = 4_000;
const ECHO_RATIO_AT_LEAST = 0.35;

interface EchoServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function measureCluster(options: BenchOptions): Promise<Figure[]> {
  const cluster = await startBenchCluster(options);
  try {
    const echo = await startEchoServer();
    try {
      return await measure(options, cluster, echo);
    } finally {
      await echo.stop();
    }
  } finally {
    await cluster.stop();
  }
}

async function measure({ quick, print }: BenchOptions, cluster: BenchCluster, echo: EchoServer): Promise<Figure[]> {
  const adminToken = await cluster.adminToken();
  const url = cluster.urls[0] as string;
  const shop = await Shop.open({ url, adminToken, shows: SHOWS });
  const lockShop = await Shop.open({ url, adminToken, shows: LOCK_SHOWS, prefix: "locks" });
  const loop = (urls: readonly string[], act: Act, lengthMs: number, latencies?: Histogram): Promise<LoopResult> =>
    closedLoop({ urls, connections: CONNECTIONS, act, lengthMs, ...(latencies === undefined ? {} : { latencies }) });
  const book = shop.book.bind(shop);
  const lock = lockShop.lock.bind(lockShop);
  const echoed = lockShop.echo.bind(lockShop);
  const warmUpMs = quick ? 300 : WARM_UP_MS;
  await loop(cluster.urls, book, warmUpMs);
  await loop(cluster.urls, lock, warmUpMs / 2);
  await loop([echo.url], echoed, warmUpMs / 2);

  const roundMs = quick ? 500 : ROUND_MS;
  const booked = build({ highestTrackableValue: 60_000_000 });
  const locked = build({ highestTrackableValue: 60_000_000 });
  const rounds: { readonly bookings: number; readonly locks: number; readonly echoes: number }[] = [];
  for (let round = 1; round <= (quick ? 1 : ROUNDS); round += 1) {
    const before = await cluster.cpu();
    const bookings = await loop(cluster.urls, book, roundMs, booked);
    const between = await cluster.cpu();
    const locks = await loop(cluster.urls, lock, roundMs / 2, locked);
    const after = await cluster.cpu();
    const echoes = await loop([echo.url], echoed, roundMs / 2);
    rounds.push({ bookings: bookings.perSecond, locks: locks.perSecond, echoes: echoes.perSecond });
    print(`round ${round}: ${said(bookings, "bookings")}, ${said(locks, "locks")}, ${said(echoes, "echoes")}`);
    print(`  a booking: ${cpuPerThing(before, between, bookings.done)}`);
    print(`  a lock: ${cpuPerThing(between, after, locks.done)}`);
  }
  return figuresOf(rounds, booked, locked);
}

const said = ({ perSecond, failures }: LoopResult, what: string): string =>
  `${Math.round(perSecond)} ${what}/s${failures === "" ? "" : ` (refused ${failures})`}`;

function figuresOf(
  rounds: readonly { readonly bookings: number; readonly locks: number; readonly echoes: number }[],
  booked: Histogram,
  locked: Histogram,
): Figure[] {
  const of = (name: string, unit: string, values: number[], atLeast?: number): Figure => ({
    name,
    value: median(values),
    unit,
    rounds: values,
    ...(atLeast === undefined ? {} : { atLeast }),
  });
  const bookings = rounds.map((round) => round.bookings);
  const ratios = rounds.map((round) => round.locks / round.echoes);
  return [
    of("full bookings through the cluster", "/s", bookings, BOOKINGS_AT_LEAST),
    ...percentiles("lock to booked", booked),
    of(
      "locks over HTTP",
      "/s",
      rounds.map((round) => round.locks),
    ),
    ...percentiles("a lock", locked),
    of(
      "echoes of a bare Hono server",
      "/s",
      rounds.map((round) => round.echoes),
    ),
    of("locks ÷ echoes", "×", ratios, ECHO_RATIO_AT_LEAST),
  ];
}

function percentiles(name: string, latencies: Histogram): Figure[] {
  return [50, 95, 99, 99.9].map((p) => ({
    name: `${name}, p${p}`,
    value: latencies.getValueAtPercentile(p) / 1000,
    unit: "ms",
  }));
}

/** A process of its own, with the flags of the cluster's parts. */
async function startEchoServer(): Promise<EchoServer> {
  const script = fileURLToPath(new URL("./echo-server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--max-semi-space-size=64", "--import", "tsx", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  const url = await new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    void ended.then(() => resolve(undefined));
  });
  if (url === undefined) throw new Error("the echo server ended");
  return {
    url,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
