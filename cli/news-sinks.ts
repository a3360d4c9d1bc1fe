// Who is told the news of the shows (shared/protocol/show-news.ts): the sinks of the settings, put together.
// Each is stopped after whoever tells it: the node, or with NATS_URL the consumers of the stream.

import type { Log } from "../shared/platform/log.ts";
import type { Metrics } from "../shared/platform/metrics.ts";
import type { Shutdown } from "../shared/platform/shutdown.ts";
import type { NewsSink } from "../shared/protocol/show-news.ts";
import type { Config } from "./config.ts";
import { openJetStream } from "./jetstream-part.ts";
import { openMail } from "./mail-part.ts";
import { openWebhooks } from "./webhook-part.ts";

export interface NewsSinksOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Before the node is added to it. */
  readonly shutdown: Pick<Shutdown, "add">;
}

/** What the node tells. */
export async function chooseSinks({ shutdown, ...options }: NewsSinksOptions): Promise<NewsSink[]> {
  const mail = await openMail(options);
  shutdown.add({ name: "mail", stop: mail.stop });
  const webhooks = openWebhooks(options);
  if (webhooks !== undefined) shutdown.add({ name: "webhooks", stop: () => webhooks.close() });
  const sinks = [mail.sink, ...(webhooks?.sinks ?? [])];
  const { nats, newsMaxAgeMs } = options.config;
  if (nats === undefined) return sinks;
  return [await openJetStream({ nats, maxAgeMs: newsMaxAgeMs, sinks, log: options.log, shutdown })];
}
