// What is counted about requests: one counter and one histogram by route.
// M1: labels come from the route table, never from a request, so the number of series is bounded.

import { Counter, Histogram, type Registry } from "prom-client";

export interface RouteMetrics {
  observe(status: number, tookMs: number): void;
}

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class RequestMetrics {
  readonly #total: Counter<"method" | "route" | "status">;
  readonly #seconds: Histogram<"method" | "route">;
  readonly #routes = new Map<string, RouteMetrics>();

  constructor(registry: Registry) {
    this.#total = new Counter({
      name: "usher_http_requests_total",
      help: "Requests answered, by route and status.",
      labelNames: ["method", "route", "status"],
      registers: [registry],
    });
    this.#seconds = new Histogram({
      name: "usher_http_request_seconds",
      help: "Time from a request's headers to its answer's first byte, long polls included.",
      labelNames: ["method", "route"],
      buckets: BUCKETS_S,
      registers: [registry],
    });
  }

  route(method: string, route: string): RouteMetrics {
    const name = `${method} ${route}`;
    const known = this.#routes.get(name);
    if (known !== undefined) return known;
    const seconds = this.#seconds.labels(method, route);
    const byStatus = new Map<number, { inc(): void }>();
    const made: RouteMetrics = {
      observe: (status, tookMs) => {
        let counter = byStatus.get(status);
        if (counter === undefined) {
          counter = this.#total.labels(method, route, String(status));
          byStatus.set(status, counter);
        }
        counter.inc();
        seconds.observe(tookMs / 1000);
      },
    };
    this.#routes.set(name, made);
    return made;
  }
}
