// The line over real HTTP. First how long it takes from the release of a hold, sent by its holder, until the offer is in
// the hands of the waiter whose long poll is parked, with 10,000 parked polls; then what 50,000 parked polls take.
// Q1: the clock runs from the sending of the release to the arrival of the poll's whole answer: both requests, the turn,
//     its commit with fsync, the wake-up and the fence check of the reading are in it.
// Q2: releases come one at a time, RELEASE_PAUSE_MS after the last was heard of, as they do in life; each serves a party.
// Q3: memory is the resident set of the whole product before and after parking, connections included; the waiters are in
//     their lines already. Where fewer files may be open than there are polls, the rest is pipelined on the same
//     connections: the lot has them all, and the figure that counts is that of the polls with connections of their own.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { LoadConnection } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { type BenchProduct, startBenchProduct } from "./product.ts";
import { LineStage } from "./waitlist-stage.ts";

const PARKED = 10_000;
const OFFERS = 2_000;
const CROWD = 50_000;
const RELEASE_PAUSE_MS = 15;
const SETTLE_MS = 5_000;
const LOOK_EVERY_MS = 250;
const LOOKS_MAX = 240;
const ENVIRONMENT = { PAYMENT_URL: "instant:", BOOKING_ATTEMPTS_PER_MIN: "0", LOG_LEVEL: "warn" };
/** Beside the crowd's connections: those of the stage, the store and the logs. */
const OTHER_FILES = 1_000;

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const crowd = quick ? 1_000 : CROWD;
  const connections = Math.min(crowd, (await raiseOpenFiles()) - OTHER_FILES);
  if (connections < crowd) print(`${crowd} polls on ${connections} connections: no more open files are allowed here`);
  const latencies = await measureOffers(quick ? 400 : PARKED, quick ? 50 : OFFERS, print);
  const memory = await measureMemory(crowd, connections, print);
  return { figures: [...latencyFigures(latencies), ...memory] };
}

async function measureOffers(parked: number, offers: number, print: (line: string) => void): Promise<Histogram> {
  const product = await startBenchProduct(ENVIRONMENT);
  try {
    return await offersOn(product, parked, offers, print);
  } finally {
    await product.stop();
  }
}

async function offersOn(
  product: BenchProduct,
  parked: number,
  offers: number,
  print: (line: string) => void,
): Promise<Histogram> {
  const stage = await LineStage.open(product, "offers");
  // Whoever is served polls no more: at the last offer there are still as many.
  await stage.gather(parked + offers);
  await stage.park(stage.waiters, parked + offers);
  await sleepMs(SETTLE_MS, systemTimers);
  const latencies = build({ highestTrackableValue: 60_000_000 });
  const holder = await LoadConnection.open(product.url);
  for (let i = 0; i < offers; i += 1) {
    latencies.recordValue(Math.round((await stage.releaseNext(holder)) * 1000));
    await sleepMs(RELEASE_PAUSE_MS, systemTimers);
  }
  print(`${offers} offers; at the end ${await stage.parkedPolls()} polls are parked`);
  holder.close();
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

/** In a product of its own, so that no garbage of before is taken into use again. */
async function measureMemory(crowd: number, connections: number, print: (line: string) => void): Promise<Figure[]> {
  const product = await startBenchProduct(ENVIRONMENT);
  try {
    const stage = await LineStage.open(product, "crowd");
    await stage.gather(crowd);
    await sleepMs(SETTLE_MS, systemTimers);
    const before = await residentBytes(product.pid);
    await stage.park(stage.waiters.slice(0, connections), connections);
    await untilParked(stage, connections);
    const after = await residentBytes(product.pid);
    print(`resident: ${mebibytes(before)} MiB, with ${connections} polls ${mebibytes(after)} MiB`);
    stage.close();
    await stage.park(stage.waiters, connections);
    const parked = await untilParked(stage, crowd);
    print(`with ${parked} polls on ${connections} connections ${mebibytes(await residentBytes(product.pid))} MiB`);
    stage.close();
    const name = `memory of a parked poll, of ${connections.toLocaleString("en")} with a connection each`;
    return [
      { name, value: (after - before) / connections, unit: "bytes", atMost: 20_480 },
      { name: "polls parked at once on one gateway", value: parked, unit: "polls", atLeast: crowd },
    ];
  } finally {
    await product.stop();
  }
}

const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** Until so many are parked, or it gets no better: each ends after 30 s and comes back. The most that were seen. */
async function untilParked(stage: LineStage, count: number): Promise<number> {
  let most = 0;
  for (let looks = 0; looks < LOOKS_MAX && most < count; looks += 1) {
    most = Math.max(most, await stage.parkedPolls());
    await sleepMs(LOOK_EVERY_MS, systemTimers);
  }
  return most;
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
