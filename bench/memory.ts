// The memory of running processes, as memory-probe.ts tells it, and how it grows.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";

const LOOK_MS = 20;
const ANSWER_MAX_MS = 20_000;
const MIB = 1024 * 1024;

/** MiB. */
export interface MemorySample {
  readonly rss: number;
  /** What is reachable: after a collection, outside the heap too. */
  readonly used: number;
}

/** What a process must be started with to be asked. */
export const probeEnvironment = (folder: string): Record<string, string> => ({
  NODE_OPTIONS: `--import ${import.meta.resolve("tsx")} --import ${import.meta.resolve("./memory-probe.ts")}`,
  USHER_PROBE_DIR: folder,
});

export async function memoryOf(pid: number, folder: string): Promise<MemorySample> {
  const path = join(folder, `${pid}.json`);
  await rm(path, { force: true });
  process.kill(pid, "SIGUSR2");
  for (const endsAt = performance.now() + ANSWER_MAX_MS; performance.now() < endsAt; ) {
    await sleepMs(LOOK_MS, systemTimers);
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const { rss, heapUsed, external } = JSON.parse(text) as { rss: number; heapUsed: number; external: number };
    return { rss: rss / MIB, used: (heapUsed + external) / MIB };
  }
  throw new Error(`process ${pid} does not tell its memory`);
}

/** By least squares: how much `y` grows with `x`. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [middleX, middleY] = [mean(0), mean(1)];
  let [covariance, variance] = [0, 0];
  for (const [x, y] of points) {
    covariance += (x - middleX) * (y - middleY);
    variance += (x - middleX) ** 2;
  }
  return covariance / variance;
}
