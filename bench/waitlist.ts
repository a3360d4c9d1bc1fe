// The line over real HTTP. First how long it takes from the release of a hold, sent by its holder, until the offer is in
// the hands of the waiter whose long poll is parked, with 10,000 parked polls; then what 50,000 parked polls take.
// Q1: the clock runs from the sending of the release to the arrival of the poll's whole answer: both requests, the turn,
//     its commit with fsync, the wake-up and the fence check of the reading are in it.
// Q2: releases come one at a time, RELEASE_PAUSE_MS after the last was heard of, as they do in life; each serves a party.
// Q3: memory is the resident set of the whole product before and after parking; connections are open and the waiters are
//     in their lines already. Where fewer files may be open than there are polls, the rest is pipelined on the same
//     connections: the lot has them all, and the figure that counts is that of the polls with connections of their own.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { type BenchProduct, startBenchProduct } from "./product.ts";
import { LineStage } from "./waitlist-stage.ts";

const PARKED = 10_000;
const OFFERS = 2_000;
const CROWD = 50_000;
const RELEASE_PAUSE_MS = 15;
const SETTLE_MS = 5_000;
/** Beside the crowd's connections: those of the stage, the store and the logs. */
const OTHER_FILES = 1_000;

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const crowd = quick ? 1_000 : CROWD;
  const connections = Math.min(crowd, (await raiseOpenFiles()) - OTHER_FILES);
  if (connections < crowd) print(`${crowd} polls on ${connections} connections: no more open files are allowed here`);
  const product = await startBenchProduct({
    PAYMENT_URL: "instant:",
    BOOKING_ATTEMPTS_PER_MIN: "0",
    LOG_LEVEL: "warn",
  });
  try {
    const latencies = await measureOffers(product, quick ? 400 : PARKED, quick ? 50 : OFFERS, print);
    const memory = await measureMemory(product, crowd, connections, print);
    return { figures: [...latencyFigures(latencies), ...memory] };
  } finally {
    await product.stop();
  }
}

async function measureOffers(
  product: BenchProduct,
  parked: number,
  offers: number,
  print: (line: string) => void,
): Promise<Histogram> {
  const stage = await LineStage.open(product, "offers");
  await stage.gather(parked, parked);
  await stage.park(stage.waiters);
  await sleepMs(SETTLE_MS, systemTimers);
  const latencies = build({ highestTrackableValue: 60_000_000 });
  for (let i = 0; i < offers; i += 1) {
    latencies.recordValue(Math.round((await stage.releaseNext()) * 1000));
    await sleepMs(RELEASE_PAUSE_MS, systemTimers);
  }
  print(`${offers} offers; at the end ${await stage.parkedPolls()} polls are parked`);
  stage.close();
  return latencies;
}

function latencyFigures(latencies: Histogram): Figure[] {
  const percentile = (p: number, more: Partial<Figure> = {}): Figure => ({
    name: `release sent → offer in the parked client's hands, p${p}`,
    value: latencies.getValueAtPercentile(p) / 1000,
    unit: "ms",
    ...more,
  });
  return [percentile(50), percentile(99, { atMost: 50 }), percentile(99.9), percentile(100)];
}

async function measureMemory(
  product: BenchProduct,
  count: number,
  connections: number,
  print: (line: string) => void,
): Promise<Figure[]> {
  const stage = await LineStage.open(product, "crowd");
  await stage.gather(count, connections);
  const resident: number[] = [];
  for (const group of [[], stage.waiters.slice(0, connections), stage.waiters.slice(connections)]) {
    await stage.park(group);
    await sleepMs(SETTLE_MS, systemTimers);
    resident.push(await residentBytes(product.pid));
  }
  const parked = await stage.parkedPolls();
  stage.close();
  const [before = 0, own = 0, all = 0] = resident;
  print(`resident: ${resident.map((bytes) => `${Math.round(bytes / 2 ** 20)} MiB`).join(", then ")}`);
  const name = `memory of a parked poll, of ${connections.toLocaleString("en")} on connections of their own`;
  const figures: Figure[] = [{ name, value: (own - before) / connections, unit: "bytes", atMost: 20_480 }];
  if (connections < count) {
    const others = count - connections;
    const more = `memory of one more, of ${others.toLocaleString("en")} on the same connections`;
    figures.push({ name: more, value: (all - own) / others, unit: "bytes" });
  }
  return [...figures, { name: "polls parked at once on one gateway", value: parked, unit: "polls", atLeast: count }];
}

/** Lets this process, and the product it starts, open as many files as a crowd needs, where it may; answers how many. */
async function raiseOpenFiles(): Promise<number> {
  const wanted = CROWD + OTHER_FILES;
  spawnSync("prlimit", ["--pid", String(process.pid), `--nofile=${wanted}:${wanted}`]);
  const limits = await readFile("/proc/self/limits", "utf8");
  return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
}
