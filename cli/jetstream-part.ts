// The news over NATS, put together: the shows' news goes into the stream, and whoever is told (mail, webhooks) is told
// from there, by durable consumers that all processes with these settings share.
// J1: a consumer's beginning is marked before the first news goes into the stream, so that it misses none.
// J2: what the node had not told them itself when NATS_URL was set goes into the stream too.

import { JetStreamSink } from "../allocator/news/jetstream-sink.ts";
import { ensureNewsConsumer } from "../notifier/consumer-session.ts";
import { durableOf, NewsConsumer } from "../notifier/from-jetstream.ts";
import type { Log } from "../shared/platform/log.ts";
import { connectNats } from "../shared/platform/nats.ts";
import type { NatsAddress } from "../shared/platform/nats-address.ts";
import type { Shutdown } from "../shared/platform/shutdown.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import type { NewsSink } from "../shared/protocol/show-news.ts";

/** What a consumer is telling is finished first. */
const CONSUMER_STOP_MAX_MS = 15_000;

export interface JetStreamPartOptions {
  readonly nats: NatsAddress;
  /** Of the stream. */
  readonly maxAgeMs: number;
  /** Told from the stream; whoever made them ends them, after this. */
  readonly sinks: readonly NewsSink[];
  readonly log: Log;
  readonly shutdown: Pick<Shutdown, "add">;
}

/** Without NATS it is ready too: the news waits in the log. Throws the StartFault of a NATS or stream that is not ours. */
export async function openJetStream(options: JetStreamPartOptions): Promise<NewsSink> {
  const { nats, maxAgeMs, log, shutdown } = options;
  const timers = systemTimers;
  const random = Math.random;
  const link = await connectNats({ address: nats, name: "usher news", whenAway: "keep_trying", timers, random, log });
  shutdown.add({ name: "news link", stop: () => link.stop() });
  const told = options.sinks.map((sink) => ({ link, sink, maxAgeMs, timers, random, log }));
  const jetstream = new JetStreamSink({
    link,
    maxAgeMs,
    heirTo: options.sinks.map(({ name }) => name),
    prepare: async (connection) => {
      for (const each of told) await ensureNewsConsumer(connection, durableOf(each));
    },
    log,
  });
  await jetstream.check();
  for (const each of told) {
    const consumer = new NewsConsumer(each);
    consumer.start();
    shutdown.add({ name: `news for ${each.sink.name}`, stop: () => consumer.stop(), boundMs: CONSUMER_STOP_MAX_MS });
  }
  return jetstream;
}
