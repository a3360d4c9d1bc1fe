// What an unreachable payment provider does to everybody else. First killed, then frozen: once the breaker is open, how
// fast a confirm is told to come back, and what becomes of locks and reads meanwhile. Then declines: the seats of a
// declined payment are in the next waiter's offer in the same commit.
// P1: lockers, readers and payers ask again PAUSE_MS after they were answered, the same before and while it is down; a
//     payer whose confirm is refused tries again with the hold it has.
// P2: counted as refused is 503 `payment_unavailable`; what the breaker lets through to see is counted beside it.
// P3: a hold whose confirms were refused must be as it was, or there are no figures.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Histogram } from "hdr-histogram-js";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { PaymentProvider } from "../test/faults/payment-provider.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { openBreaker, PaymentCrowd, type PhaseFigures } from "./payments-crowd.ts";
import { type BenchProduct, startBenchProduct } from "./product.ts";
import { LineStage } from "./waitlist-stage.ts";

const API_KEY = "sk_test_bench";
const WARM_UP_MS = 3_000;
const PHASE_MS = 10_000;
const DECLINES = 500;
const DECLINE_PAUSE_MS = 10;
const LOG_PAGE = 1_000;

type Print = BenchOptions["print"];

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const phaseMs = quick ? 2_000 : PHASE_MS;
  const killed = await withProduct((product, provider) =>
    measureOutage("killed", { product, provider, phaseMs, print }),
  );
  const frozen = await withProduct((product, provider) =>
    measureOutage("frozen", { product, provider, phaseMs, print }),
  );
  const declines = await withProduct((product) => measureDeclines(product, quick ? 20 : DECLINES));
  return { figures: [...killed, ...frozen, ...declines] };
}

async function withProduct(
  measure: (product: BenchProduct, provider: PaymentProvider) => Promise<Figure[]>,
): Promise<Figure[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-bench-payments-"));
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  try {
    const scope = { teardown: (end: () => Promise<void>) => void ends.push(end) };
    const provider = await PaymentProvider.start(scope, { dataDir, apiKey: API_KEY });
    const product = await startBenchProduct({
      PAYMENT_URL: provider.url,
      PAYMENT_KEY: API_KEY,
      BOOKING_ATTEMPTS_PER_MIN: "0",
      // Each call to a provider that is away is worth a warning, and would be a line here.
      LOG_LEVEL: "error",
    });
    ends.push(() => product.stop());
    return await measure(product, provider);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

interface Outage {
  readonly product: BenchProduct;
  readonly provider: PaymentProvider;
  readonly phaseMs: number;
  readonly print: Print;
}

async function measureOutage(how: "killed" | "frozen", outage: Outage): Promise<Figure[]> {
  const { product, provider, phaseMs, print } = outage;
  const crowd = await PaymentCrowd.gather(product.url, await product.adminToken());
  try {
    await crowd.live(Math.min(phaseMs, WARM_UP_MS));
    const before = await crowd.live(phaseMs);
    if (how === "killed") await provider.kill();
    else provider.freeze();
    print(`provider ${how}: the breaker opened after ${Math.round(await openBreaker(crowd))} ms`);
    const during = await crowd.live(phaseMs);
    print(`provider ${how}: ${during.refused.totalCount} confirms refused, ${during.answered} let through to see`);
    return outageFigures(`provider ${how}`, before, during);
  } finally {
    crowd.close();
  }
}

function outageFigures(name: string, before: PhaseFigures, during: PhaseFigures): Figure[] {
  const beside = (what: "lock" | "read"): Figure[] =>
    [50, 99].flatMap((p) => [
      percentile(`${what} before`, before[what], p),
      percentile(`${name}: ${what} meanwhile`, during[what], p),
    ]);
  return [
    percentile(`${name}: confirm refused`, during.refused, 50),
    { ...percentile(`${name}: confirm refused`, during.refused, 99), atMost: 50 },
    percentile(`${name}: confirm refused`, during.refused, 100),
    ...beside("lock"),
    ...beside("read"),
  ];
}

function percentile(name: string, histogram: Histogram, p: number): Figure {
  return { name: `${name}, p${p}`, value: histogram.getValueAtPercentile(p) / 1000, unit: "ms" };
}

async function measureDeclines(product: BenchProduct, declines: number): Promise<Figure[]> {
  const stage = await LineStage.open(product, "declines");
  await stage.gather(declines + stage.showIds.length);
  await stage.park(stage.waiters, stage.waiters.length);
  const holder = await LoadConnection.open(product.url);
  const latencies = build({ highestTrackableValue: 60_000_000 });
  for (let i = 0; i < declines; i += 1) {
    latencies.recordValue(Math.round((await stage.declineNext(holder)) * 1000));
    await sleepMs(DECLINE_PAUSE_MS, systemTimers);
  }
  holder.close();
  stage.close();
  const name = "declined confirm sent → offer in the parked client's hands";
  return [
    await offersInTheSameCommit(product, stage.showIds, declines),
    percentile(name, latencies, 50),
    percentile(name, latencies, 99),
  ];
}

interface LogPage {
  readonly entries: readonly { readonly events: readonly { readonly kind: string }[] }[];
  readonly next_after: number | null;
}

/** By the audit trail: one entry is one turn, and one commit. */
async function offersInTheSameCommit(product: BenchProduct, showIds: readonly string[], all: number): Promise<Figure> {
  const admin = `Authorization: Bearer ${await product.adminToken()}\r\n`;
  let together = 0;
  for (const showId of showIds) {
    for (let after: number | null = 0; after !== null; ) {
      const path = `/v1/admin/shows/${showId}/log?after=${after}&limit=${LOG_PAGE}`;
      const page = (await once(product.url, "GET", path, admin)) as LogPage;
      after = page.next_after;
      for (const { events } of page.entries) {
        const kinds = events.map(({ kind }) => kind);
        if (kinds.includes("PaymentDeclined") && kinds.includes("OfferMade")) together += 1;
      }
    }
  }
  return { name: "declines whose commit has the next offer", value: (together / all) * 100, unit: "%", atLeast: 100 };
}
