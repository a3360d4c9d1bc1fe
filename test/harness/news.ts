// News as a relay tells it, and what a stream holds in the end.

import type { NatsConnection } from "nats";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { NEWS_STREAM } from "../../shared/platform/nats-news-stream.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { News, NewsSink, NewsType } from "../../shared/protocol/show-news.ts";

const ANSWER_MAX_MS = 10_000;

export const show = (name: string): ShowId => name as ShowId;

/** The news of one show, two a turn. */
export function newsOf(showId: ShowId, count: number, type: NewsType = "hold.placed"): News[] {
  return Array.from({ length: count }, (_, i) => ({
    specversion: "1.0",
    id: `${showId}:${Math.floor(i / 2) + 1}:${i % 2}`,
    source: "/usher",
    type,
    subject: showId,
    time: "2030-01-01T12:00:00.000Z",
    datacontenttype: "application/json",
    data: { show_id: showId, number: i },
  }));
}

export const idsOf = (news: readonly News[]): string[] => news.map(({ id }) => id);

/** As the relay does: from the first that is not safe, until all are; `onFault` hears of every refusal. */
export async function tellAll(
  sink: NewsSink,
  news: readonly News[],
  options: { readonly batchMax?: number; readonly onFault?: (error: unknown) => void } = {},
): Promise<void> {
  const { batchMax = 100, onFault = () => undefined } = options;
  for (let from = 0; from < news.length; ) {
    try {
      from += await sink.tell(news.slice(from, from + batchMax));
    } catch (error) {
      onFault(error);
      await sleepMs(20, systemTimers);
    }
  }
}

export interface Stored {
  readonly subject: string;
  readonly id: string;
  readonly type: string;
  readonly body: News;
}

/** All of the stream, oldest first. */
export async function storedIn(connection: NatsConnection): Promise<Stored[]> {
  const manager = await connection.jetstreamManager({ timeout: ANSWER_MAX_MS });
  const { state } = await manager.streams.info(NEWS_STREAM, { deleted_details: true });
  const gone = new Set(state.deleted);
  const stored: Stored[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    if (gone.has(seq) || state.messages === 0) continue;
    const message = await manager.streams.getMessage(NEWS_STREAM, { seq });
    stored.push({
      subject: message.subject,
      id: message.header.get("Nats-Msg-Id"),
      type: message.header.get("Usher-Type"),
      body: message.json<News>(),
    });
  }
  return stored;
}
