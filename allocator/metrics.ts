// What an allocator tells Prometheus.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Metrics } from "../shared/platform/metrics.ts";

export interface Meters {
  readonly onStatement: (entries: number, turns: number) => void;
  /** `count` is asked at each scrape. */
  readonly onShows: (count: () => number) => void;
}

export function observe(metrics: Metrics): Meters {
  const turns = new Counter({
    name: "usher_turns_committed_total",
    help: "Turns with events handed to the group commit.",
    registers: [metrics],
  });
  const statements = new Histogram({
    name: "usher_commit_entries",
    help: "Shows a group commit statement writes.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [metrics],
  });
  return {
    onStatement(entries, count) {
      turns.inc(count);
      statements.observe(entries);
    },
    onShows(count) {
      new Gauge({
        name: "usher_shows_loaded",
        help: "Shows this node has in memory.",
        registers: [metrics],
        collect() {
          this.set(count());
        },
      });
    },
  };
}
