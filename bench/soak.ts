// Ten minutes of everything at once: bookings that are made and cancelled, long polls in lines that move, seat maps that
// are streamed; and the memory of every gateway and allocator meanwhile.
// S1: what is asked for is the slope after the first third: caches fill and code is compiled before it.
// S2: used memory is what a collection leaves; rss is beside it, since the collector takes room as it likes.
// S3: seats come back, so that the service is the same at the end; what grows with time alone is in the tables, and a
//     day's keys in the allocators (5 to 11 bytes each).

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smallShowId } from "../demo/catalogue/small.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { LoadConnection } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { type BenchCluster, startBenchCluster } from "./cluster.ts";
import { type MemorySample, memoryOf, probeEnvironment, slopeOf } from "./memory.ts";
import { SeatStreams } from "./seat-streams.ts";
import { Shop } from "./shop.ts";
import { LineStage } from "./waitlist-stage.ts";

const SHOWS = 500;
/** Each books and cancels, then pauses. */
const SHOPPERS = 16;
const PAUSE_MS = 50;
const WAITERS = 1_000;
const STREAMS = 100;
/** A hold is released, the head of its line has an offer. */
const OFFER_EVERY_MS = 500;
const SAMPLE_EVERY_MS = 15_000;
const WARM_UP_SHARE = 1 / 3;
const SLOPE_AT_MOST_MIB = 1;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), "usher-bench-soak-"));
  const cluster = await startBenchCluster({ ...options, environment: probeEnvironment(folder) });
  try {
    const crowd = await Crowd.gather(cluster, options.quick);
    try {
      const parts = await watch(cluster, folder, crowd, options);
      return { figures: figuresOf(parts, crowd) };
    } finally {
      await crowd.leave();
    }
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Everybody there, for as long as it lasts. */
class Crowd {
  readonly #stop = new AbortController();
  readonly #stage: LineStage;
  readonly #streams: SeatStreams;
  #running: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  booked = 0;
  offers = 0;
  failed = new Map<string, number>();

  private constructor(stage: LineStage, streams: SeatStreams) {
    this.#stage = stage;
    this.#streams = streams;
  }

  static async gather(cluster: BenchCluster, isQuick: boolean): Promise<Crowd> {
    const url = cluster.urls[0] as string;
    const adminToken = await cluster.adminToken();
    const shop = await Shop.open({ url, adminToken, shows: isQuick ? 20 : SHOWS });
    const stage = await LineStage.open({ url, adminToken: cluster.adminToken.bind(cluster) }, "lines");
    await stage.gather(isQuick ? 40 : WAITERS);
    await stage.park(stage.waiters, stage.waiters.length);
    const streams = await SeatStreams.open(cluster.urls, isQuick ? 4 : STREAMS, smallShowId);
    const crowd = new Crowd(stage, streams);
    const shoppers = Array.from({ length: SHOPPERS }, (_, i) =>
      crowd.#shop(shop, cluster.urls[i % cluster.urls.length] as string),
    );
    crowd.#running = Promise.all([...shoppers, crowd.#offer(url)]);
    crowd.#running.catch((error: unknown) => {
      crowd.#failure = error;
    });
    return crowd;
  }

  get deltas(): number {
    return this.#streams.deltas;
  }

  /** Throws what ended somebody's part early. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#streams.check();
  }

  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => undefined);
    this.#streams.close();
    this.#stage.close();
  }

  async #shop(shop: Shop, url: string): Promise<void> {
    const connection = await LoadConnection.open(url);
    while (!this.#stop.signal.aborted) {
      const failure = await shop.bookAndCancel(connection);
      if (failure === undefined) this.booked += 1;
      else this.failed.set(failure, (this.failed.get(failure) ?? 0) + 1);
      await sleepMs(PAUSE_MS, systemTimers);
    }
    connection.close();
  }

  async #offer(url: string): Promise<void> {
    const holder = await LoadConnection.open(url);
    while (!this.#stop.signal.aborted && this.offers < this.#stage.waiters.length) {
      await this.#stage.releaseNext(holder);
      this.offers += 1;
      await sleepMs(OFFER_EVERY_MS, systemTimers);
    }
    holder.close();
  }
}

interface Part {
  readonly name: string;
  readonly pid: number;
  readonly samples: [minutes: number, sample: MemorySample][];
}

async function watch(
  cluster: BenchCluster,
  folder: string,
  crowd: Crowd,
  { minutes, quick, print }: BenchOptions,
): Promise<Part[]> {
  const parts: Part[] = [
    ...cluster.gatewayPids.map((pid, i) => ({ name: `gateway ${i + 1}`, pid, samples: [] })),
    ...cluster.nodes.map(({ nodeId, pid }) => ({ name: `allocator ${nodeId}`, pid, samples: [] })),
  ];
  const startedAt = performance.now();
  const endsAt = startedAt + (quick ? 5_000 : minutes * 60_000);
  while (performance.now() < endsAt) {
    await sleepMs(quick ? 500 : SAMPLE_EVERY_MS, systemTimers);
    crowd.check();
    const at = (performance.now() - startedAt) / 60_000;
    // One after the other: a collection stops its process for a moment.
    for (const part of parts) part.samples.push([at, await memoryOf(part.pid, folder)]);
    const said = parts.map(({ name, samples }) => `${name} ${shown(samples.at(-1)?.[1])}`).join(", ");
    print(`${at.toFixed(1)} min: ${crowd.booked} booked, ${crowd.offers} offers, ${crowd.deltas} deltas; ${said}`);
  }
  return parts;
}

const shown = (sample: MemorySample | undefined): string =>
  sample === undefined ? "" : `${sample.used.toFixed(1)} of ${sample.rss.toFixed(0)} MiB`;

function figuresOf(parts: readonly Part[], crowd: Crowd): Figure[] {
  const figures = parts.flatMap(({ name, samples }): Figure[] => {
    const late = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
    const slope = (of: keyof MemorySample): number => slopeOf(late.map(([minutes, sample]) => [minutes, sample[of]]));
    return [
      { name: `${name}: used memory grows by`, value: slope("used"), unit: "MiB a minute", atMost: SLOPE_AT_MOST_MIB },
      { name: `${name}: rss grows by`, value: slope("rss"), unit: "MiB a minute" },
      { name: `${name}: rss at the end`, value: samples.at(-1)?.[1].rss ?? Number.NaN, unit: "MiB" },
    ];
  });
  const failed = [...crowd.failed.values()].reduce((sum, count) => sum + count, 0);
  return [
    ...figures,
    { name: "bookings made and cancelled", value: crowd.booked, unit: "bookings" },
    { name: "offers heard of", value: crowd.offers, unit: "offers" },
    { name: "deltas streamed", value: crowd.deltas, unit: "deltas" },
    { name: "bookings that failed", value: failed, unit: "bookings", atMost: 0 },
  ];
}
