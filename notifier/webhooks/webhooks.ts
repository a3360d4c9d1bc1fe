// The webhooks of this process: a sink each endpoint, made and ended together.

import type { Metrics } from "../../shared/platform/metrics.ts";
import type { NewsType } from "../../shared/protocol/show-news.ts";
import type { Endpoint } from "./endpoint.ts";
import { webhookMeters } from "./metrics.ts";
import { WebhookSink, type WebhookSinkOptions } from "./webhook-sink.ts";

/** Who is told what, by the settings. */
export interface WebhookChoice {
  /** Their names differ. */
  readonly endpoints: readonly Endpoint[];
  readonly keys: readonly Uint8Array[];
  readonly types: readonly NewsType[];
  readonly giveUpMs: number;
}

export interface WebhooksOptions
  extends WebhookChoice,
    Pick<WebhookSinkOptions, "now" | "timers" | "random" | "log" | "timeoutMs"> {
  /** Only one `Webhooks` a registry. */
  readonly metrics: Metrics;
}

export class Webhooks {
  readonly sinks: readonly WebhookSink[];

  constructor({ endpoints, metrics, ...options }: WebhooksOptions) {
    const metersOf = webhookMeters(metrics);
    this.sinks = endpoints.map((endpoint) => new WebhookSink({ ...options, endpoint, metersOf }));
  }

  /** After whoever tells them. Breaks off what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()));
  }
}
