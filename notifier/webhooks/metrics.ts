// What is counted about webhooks: a line each endpoint, by its name and host (never its whole address).

import { Counter, Gauge, Histogram } from "prom-client";
import type { Metrics } from "../../shared/platform/metrics.ts";
import type { Endpoint } from "./endpoint.ts";
import { OUTCOME_KINDS, type Outcome } from "./outcome.ts";

export interface EndpointMeters {
  attempted(outcome: Outcome["kind"], tookMs: number): void;
  gaveUp(): void;
}

export type MetersOf = (endpoint: Endpoint, isPaused: () => boolean) => EndpointMeters;

const LABELS = ["sink", "host"] as const;

/** Once a registry. */
export function webhookMeters(metrics: Metrics): MetersOf {
  const requests = new Counter({
    name: "usher_webhook_requests_total",
    help: "Attempts to tell an endpoint a news, by what came of them.",
    labelNames: [...LABELS, "outcome"],
    registers: [metrics],
  });
  const seconds = new Histogram({
    name: "usher_webhook_request_seconds",
    help: "Time from the begin of an attempt to the end of its answer.",
    labelNames: LABELS,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [metrics],
  });
  const givenUp = new Counter({
    name: "usher_webhook_given_up_total",
    help: "News an endpoint refused for so long that it will never be told it.",
    labelNames: LABELS,
    registers: [metrics],
  });
  const pauses: (() => void)[] = [];
  const paused: Gauge<"sink" | "host"> = new Gauge({
    name: "usher_webhook_paused",
    help: "1 while nothing is sent to an endpoint because it is away, busy, gone or refuses everything.",
    labelNames: LABELS,
    registers: [metrics],
    collect: () => {
      for (const collect of pauses) collect();
    },
  });
  return ({ name, host }, isPaused) => {
    const labels = { sink: name, host };
    // All there from the start: a rate over a series that comes later misses its first step.
    for (const outcome of OUTCOME_KINDS) requests.inc({ ...labels, outcome }, 0);
    givenUp.inc(labels, 0);
    pauses.push(() => paused.set(labels, isPaused() ? 1 : 0));
    return {
      attempted(outcome, tookMs) {
        requests.inc({ ...labels, outcome });
        seconds.observe(labels, tookMs / 1000);
      },
      gaveUp: () => givenUp.inc(labels),
    };
  };
}
