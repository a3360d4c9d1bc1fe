// What the relay tells Prometheus, by sink.

import { Counter, Gauge } from "prom-client";
import type { Metrics } from "../../shared/platform/metrics.ts";

export interface SinkMeter {
  readonly told: (news: number) => void;
  readonly failed: () => void;
}

export interface NewsMeters {
  readonly of: (sink: string) => SinkMeter;
  /** `behind` is asked at each scrape: shows by sink that have news it was not told. */
  readonly onBehind: (behind: () => Iterable<readonly [sink: string, shows: number]>) => void;
}

export function observeNews(metrics: Metrics): NewsMeters {
  const labelNames = ["sink"] as const;
  const told = new Counter({
    name: "usher_news_told_total",
    help: "News that is safe with a sink, repetitions too.",
    labelNames,
    registers: [metrics],
  });
  const failures = new Counter({
    name: "usher_news_failures_total",
    help: "Times a sink took nothing of what it was told, or could not be told because the store was away.",
    labelNames,
    registers: [metrics],
  });
  return {
    of(sink) {
      told.inc({ sink }, 0);
      failures.inc({ sink }, 0);
      return { told: (news) => told.inc({ sink }, news), failed: () => failures.inc({ sink }) };
    },
    onBehind(behind) {
      new Gauge({
        name: "usher_news_shows_behind",
        help: "Shows of this node with news that a sink has not taken yet.",
        labelNames,
        registers: [metrics],
        collect() {
          for (const [sink, shows] of behind()) this.set({ sink }, shows);
        },
      });
    },
  };
}
