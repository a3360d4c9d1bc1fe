// Prometheus metrics. A registry is made by whoever starts a process and handed down; there is no global one.

import { collectDefaultMetrics, Registry } from "prom-client";

export type Metrics = Registry;

/** A registry with the process's own metrics (memory, event loop lag, garbage collection) already in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
