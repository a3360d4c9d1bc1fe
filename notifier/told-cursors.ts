// How far each show's news is told to one consumer, in a JetStream key-value bucket: several processes share it, and it
// survives them. It is what a process asks that did not tell the earlier news itself.
// C1: a cursor only moves forward, whoever writes it; it is written before the news is acknowledged.
// C2: it counts for one stream only: in another one the sequences mean something else.

import type { KV, NatsConnection } from "nats";
import { jetStreamCodeOf } from "../shared/platform/nats-news-stream.ts";

const BUCKET_PREFIX = "usher_told_";
const SHOWS_KNOWN_MAX = 50_000;
const CONFLICTS_MAX = 8;
const WRONG_LAST_SEQUENCE = 10_071;
const API_MAX_MS = 5_000;

interface Cursor {
  /** Of the stream; 0 where nothing was told. */
  readonly sequence: number;
  /** 0 when there is no entry. */
  readonly revision: number;
}

interface Written {
  readonly stream: string;
  readonly sequence: number;
}

export interface ToldCursorsOptions {
  readonly connection: NatsConnection;
  readonly durable: string;
  /** C2. */
  readonly streamId: string;
  /** An older cursor is about news that the stream has no more. */
  readonly maxAgeMs: number;
}

export class ToldCursors {
  readonly #bucket: KV;
  readonly #streamId: string;
  /** What was seen last; the longest unused first. */
  readonly #known = new Map<string, Cursor>();

  private constructor(bucket: KV, streamId: string) {
    this.#bucket = bucket;
    this.#streamId = streamId;
  }

  static async open({ connection, durable, streamId, maxAgeMs }: ToldCursorsOptions): Promise<ToldCursors> {
    const client = connection.jetstream({ timeout: API_MAX_MS });
    const bucket = await client.views.kv(`${BUCKET_PREFIX}${durable}`, { history: 1, ttl: maxAgeMs });
    return new ToldCursors(bucket, streamId);
  }

  /** As far as is known without asking: it may be further. */
  knownOf(showId: string): number {
    return this.#known.get(showId)?.sequence ?? 0;
  }

  async read(showId: string): Promise<number> {
    const entry = await this.#bucket.get(showId);
    const found = entry === null ? undefined : (entry.json() as Written);
    const sequence = found?.stream === this.#streamId ? found.sequence : 0;
    const cursor = { sequence: Math.max(sequence, this.knownOf(showId)), revision: entry?.revision ?? 0 };
    this.#remember(showId, cursor);
    return cursor.sequence;
  }

  /** Everything of the show up to `sequence` is told. */
  async moveTo(showId: string, sequence: number): Promise<void> {
    for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
      const known = this.#known.get(showId);
      if (known === undefined || attempt > 0) await this.read(showId);
      const { revision = 0, sequence: before = 0 } = this.#known.get(showId) ?? {};
      if (before >= sequence) return;
      try {
        const value = JSON.stringify({ stream: this.#streamId, sequence } satisfies Written);
        this.#remember(showId, {
          sequence,
          revision: await this.#bucket.put(showId, value, { previousSeq: revision }),
        });
        return;
      } catch (error) {
        if (jetStreamCodeOf(error) !== WRONG_LAST_SEQUENCE) throw error;
      }
    }
    throw new Error(`the cursor of ${showId} is being moved by too many`);
  }

  #remember(showId: string, cursor: Cursor): void {
    this.#known.delete(showId);
    this.#known.set(showId, cursor);
    if (this.#known.size <= SHOWS_KNOWN_MAX) return;
    for (const longestUnused of this.#known.keys()) {
      this.#known.delete(longestUnused);
      break;
    }
  }
}
