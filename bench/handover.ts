// What a node that joins or leaves costs its shows, under 1,000 locks a second over 300 of them: how long each stood
// still, and whether anybody's request failed.
// H1: a show is asked every 300 ms, whatever became of the last request; its pause is the longest time between two answers
//     in the window of the change, less its usual one. So a pause is seen by the requests that fall into it.
// H2: the same is measured while nothing changes: what of it is the machine's is in that figure too.
// H3: counted are the shows that moved, by their leases. Each has holds in it, so that a newcomer claims it unasked.

import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { type BenchCluster, startBenchCluster } from "./cluster.ts";
import { ownersOf, settled } from "./shares.ts";
import { bearer } from "./shop.ts";
import { ShowPulse } from "./show-pulse.ts";

const SHOWS = 300;
const LOCKS_PER_S = 1_000;
const STANDING_HOLDS = 5;
const ROUNDS = 5;
const WARM_UP_MS = 5_000;
const CALM_MS = 5_000;
/** After a change, for what it still disturbs. */
const AFTER_MS = 1_000;
const VIEW_LOOK_MS = 20;
const PAUSE_P99_AT_MOST_MS = 50;
const DAY_MS = 86_400_000;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const cluster = await startBenchCluster({ ...options, allocators: Math.max(1, options.allocators - 1) });
  try {
    const shows = options.quick ? 30 : SHOWS;
    const pulse = await gather(cluster, shows);
    try {
      return { figures: await measure(options, cluster, pulse) };
    } finally {
      await pulse.stop();
    }
  } finally {
    await cluster.stop();
  }
}

/** The shows, with some holds that stay, and somebody at each. */
async function gather(cluster: BenchCluster, shows: number): Promise<ShowPulse> {
  const url = cluster.urls[0] as string;
  const policies = { hold_ttl_s: 3_600 };
  const catalogue = smallCatalogue({ shows, startsAt: Date.now() + DAY_MS, policies });
  await once(url, "POST", "/v1/admin/catalogue", bearer(await cluster.adminToken()), JSON.stringify(catalogue));
  const { token } = (await once(url, "POST", "/v1/sessions", "", "{}")) as { token: string };
  const showIds = Array.from({ length: shows }, (_, i) => smallShowId(i) as ShowId);
  const holder = await LoadConnection.open(url);
  for (const showId of showIds) {
    const body = JSON.stringify({ showtime_id: showId, quantity: STANDING_HOLDS });
    const answer = await holder.request("POST", "/v1/bookings/lock", `${bearer(token)}X-Idempotency-Key: s\r\n`, body);
    if (answer.status !== 201) throw new Error(`a lock answered ${answer.status}: ${answer.body}`);
  }
  holder.close();
  return ShowPulse.start({ urls: cluster.urls, showIds, periodMs: (SHOWS / LOCKS_PER_S) * 1_000 });
}

interface Change {
  readonly name: string;
  readonly pauses: readonly number[];
}

async function measure({ quick, print }: BenchOptions, cluster: BenchCluster, pulse: ShowPulse): Promise<Figure[]> {
  await sleepMs(quick ? 1_000 : WARM_UP_MS, systemTimers);
  pulse.forget();
  const changes: Change[] = [];
  const note = (name: string, moved: readonly ShowId[], from: number): void => {
    const pauses = pulse.pausesOf(moved, from, performance.now());
    changes.push({ name, pauses });
    print(`${name}: ${moved.length} shows, paused ${spread(pauses)}; failed so far: ${pulse.failures() || "nothing"}`);
  };
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    const calmFrom = performance.now();
    await sleepMs(CALM_MS, systemTimers);
    note("nothing changes", pulse.showIds, calmFrom);
    const before = await ownersOf(cluster.pool);
    const joining = joined(cluster);
    // Should the newcomer not start, that is what is told.
    joining.catch(() => undefined);
    const newcomer = await cluster.startNode("newcomer");
    const joinedFrom = await joining;
    const between = await settled(cluster.pool, nodeIdsOf(cluster));
    await sleepMs(AFTER_MS, systemTimers);
    note("a node joins", movedBetween(before, between), joinedFrom);
    const leavingFrom = performance.now();
    await cluster.stopNode(newcomer);
    const after = await settled(cluster.pool, nodeIdsOf(cluster));
    await sleepMs(AFTER_MS, systemTimers);
    note("a node leaves", movedBetween(between, after), leavingFrom);
  }
  return figuresOf(changes, pulse);
}

const nodeIdsOf = (cluster: BenchCluster): string[] => cluster.nodes.map(({ nodeId }) => nodeId);

const movedBetween = (before: ReadonlyMap<ShowId, string>, after: ReadonlyMap<ShowId, string>): ShowId[] =>
  [...after].filter(([showId, owner]) => before.get(showId) !== owner).map(([showId]) => showId);

/** When the view changed, to VIEW_LOOK_MS: what the newcomer's start costs before that is not the shows' matter. */
async function joined({ pool }: BenchCluster): Promise<number> {
  const version = async (): Promise<number> =>
    (await pool.query<{ version: number }>("SELECT version FROM cluster_view")).rows[0]?.version ?? 0;
  const first = await version();
  for (;;) {
    const lookedAt = performance.now();
    await sleepMs(VIEW_LOOK_MS, systemTimers);
    if ((await version()) > first) return lookedAt;
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

const spread = (pauses: readonly number[]): string =>
  `p50 ${quantile(pauses, 0.5).toFixed(1)}, p99 ${quantile(pauses, 0.99).toFixed(1)}, most ${quantile(pauses, 1).toFixed(1)} ms`;

function figuresOf(changes: readonly Change[], pulse: ShowPulse): Figure[] {
  const figures = ["nothing changes", "a node joins", "a node leaves"].flatMap((name): Figure[] => {
    const pauses = changes.filter((change) => change.name === name).flatMap((change) => change.pauses);
    const at = (label: string, q: number): Figure => ({
      name: `${name}: a show's pause, ${label}`,
      value: quantile(pauses, q),
      unit: "ms",
    });
    const p99 = at("p99", 0.99);
    return [at("p50", 0.5), name === "nothing changes" ? p99 : { ...p99, atMost: PAUSE_P99_AT_MOST_MS }, at("most", 1)];
  });
  return [
    ...figures,
    { name: "requests sent meanwhile", value: pulse.sent(), unit: "requests" },
    { name: "requests that failed", value: pulse.failed(), unit: "requests", atMost: 0 },
  ];
}
