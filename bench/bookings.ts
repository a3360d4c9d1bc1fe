// Full bookings over HTTP in a closed loop: lock two seats, pay, confirm; 2,000 shows of 200 seats; everything (product,
// store with fsync, load) on one machine. Once with instant payments, once with the payment simulator over HTTP.
// With `--cluster` the same through NATS, gateways and allocators (bookings-cluster.ts).

import { build, type Histogram } from "hdr-histogram-js";
import { type BenchOptions, type BenchResult, type Figure, median } from "./bench.ts";
import { measureCluster } from "./bookings-cluster.ts";
import { closedLoop } from "./closed-loop.ts";
import { startBenchProduct } from "./product.ts";
import { Shop } from "./shop.ts";

const SHOWS = 2_000;
const CONNECTIONS = 128;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 3_000;

export async function run(options: BenchOptions): Promise<BenchResult> {
  if (options.cluster) return { figures: await measureCluster(options) };
  const instant = await measure("instant payments", { PAYMENT_URL: "instant:" }, options);
  const simulator = await measure("payment simulator over HTTP", {}, options);
  return { figures: [...instant, ...simulator] };
}

async function measure(
  name: string,
  environment: Record<string, string>,
  { quick, print }: BenchOptions,
): Promise<Figure[]> {
  const product = await startBenchProduct({ ...environment, BOOKING_ATTEMPTS_PER_MIN: "0", LOG_LEVEL: "warn" });
  try {
    const shop = await Shop.open({ url: product.url, adminToken: await product.adminToken(), shows: SHOWS });
    const loop = { urls: [product.url], connections: CONNECTIONS, act: shop.book.bind(shop) };
    await closedLoop({ ...loop, lengthMs: quick ? 200 : WARM_UP_MS });
    const latencies = build({ highestTrackableValue: 60_000_000 });
    const rates: number[] = [];
    for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
      const { perSecond, failures } = await closedLoop({ ...loop, lengthMs: quick ? 500 : ROUND_MS, latencies });
      rates.push(perSecond);
      const refused = failures === "" ? "" : `, refused ${failures}`;
      print(`${name}, round ${round + 1}: ${Math.round(perSecond)} bookings/s${refused}`);
    }
    const rate: Figure = { name: `full bookings, ${name}`, value: median(rates), unit: "/s", rounds: rates };
    return [
      name.startsWith("instant") ? { ...rate, atLeast: 3_000 } : rate,
      ...percentiles(`${name}: lock to booked`, latencies),
    ];
  } finally {
    await product.stop();
  }
}

function percentiles(name: string, latencies: Histogram): Figure[] {
  return [50, 95, 99, 99.9].map((p) => ({
    name: `${name}, p${p}`,
    value: latencies.getValueAtPercentile(p) / 1000,
    unit: "ms",
  }));
}
