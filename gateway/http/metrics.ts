// What is counted about requests: one histogram by route and status; its `_count` is the number of requests.
// Counted in plain numbers here and turned into Prometheus's shape when asked: prom-client's own counter and histogram
// look labels up by text on every request, 3 µs of the lock route's 80.
// M1: labels come from the route table, never from a request, so the number of series is bounded.

import type { Metric, Registry } from "prom-client";

export interface RouteMetrics {
  observe(status: number, tookMs: number): void;
}

/** Upper bounds, inclusive. */
const BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
const NAME = "usher_http_request_seconds";

interface Series {
  readonly labels: { readonly method: string; readonly route: string; readonly status: string };
  /** Not cumulative; the last one is what is above every bound. */
  readonly counts: number[];
  sumMs: number;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export class RequestMetrics {
  readonly #series: Series[] = [];
  readonly #routes = new Map<string, RouteMetrics>();

  constructor(registry: Registry) {
    const metric = {
      name: NAME,
      help: "Time from a request's headers to its answer's first byte, long polls included, by route and status.",
      type: "histogram",
      aggregator: "sum",
      get: async () => ({ ...metric, values: this.#series.flatMap(samplesOf) }),
    };
    // The registry asks for no more than this of what is registered with it.
    registry.registerMetric(metric as unknown as Metric);
  }

  route(method: string, route: string): RouteMetrics {
    const name = `${method} ${route}`;
    const known = this.#routes.get(name);
    if (known !== undefined) return known;
    const byStatus: (Series | undefined)[] = [];
    const made: RouteMetrics = {
      observe: (status, tookMs) => {
        const series = byStatus[status - 100] ?? this.#add(method, route, status);
        byStatus[status - 100] = series;
        let bucket = 0;
        while (bucket < BUCKETS_MS.length && tookMs > (BUCKETS_MS[bucket] ?? 0)) bucket++;
        series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
        series.sumMs += tookMs;
      },
    };
    this.#routes.set(name, made);
    return made;
  }

  #add(method: string, route: string, status: number): Series {
    const counts = new Array<number>(BUCKETS_MS.length + 1).fill(0);
    const series: Series = { labels: { method, route, status: String(status) }, counts, sumMs: 0 };
    this.#series.push(series);
    return series;
  }
}

function samplesOf({ labels, counts, sumMs }: Series): Sample[] {
  let total = 0;
  const samples = counts.map((count, index): Sample => {
    total += count;
    const bound = BUCKETS_MS[index];
    const le = bound === undefined ? "+Inf" : bound / 1000;
    return { metricName: `${NAME}_bucket`, labels: { ...labels, le }, value: total };
  });
  samples.push({ metricName: `${NAME}_sum`, labels, value: sumMs / 1000 });
  samples.push({ metricName: `${NAME}_count`, labels, value: total });
  return samples;
}
