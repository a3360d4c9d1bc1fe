// The webhooks of the settings, put together. None are set: there is nothing to tell and nothing to stop.

import { Webhooks } from "../notifier/webhooks/webhooks.ts";
import type { Log } from "../shared/platform/log.ts";
import type { Metrics } from "../shared/platform/metrics.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { wallClockMs } from "../shared/platform/wall-clock.ts";
import type { Config } from "./config.ts";

export interface WebhookPartOptions {
  readonly config: Pick<Config, "webhooks">;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function openWebhooks({ config, log, metrics }: WebhookPartOptions): Webhooks | undefined {
  const { webhooks } = config;
  if (webhooks === undefined) return undefined;
  return new Webhooks({
    ...webhooks,
    now: wallClockMs,
    timers: systemTimers,
    random: Math.random,
    log,
    metrics,
  });
}
