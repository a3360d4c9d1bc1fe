// News into the JetStream stream USHER_NEWS: everything, in order per show exactly, whoever else publishes.
// J1: of a show's subject each message's news comes after the one before it: a message is stored only if the last one
//     is still the one that was looked at. An owner that wakes up late, or a command that arrives minutes later, is
//     refused by the server, also when the window of message ids is long past.
// J2: one message of a show at a time: the next one's expectation is the last one's answer. Guessing it would let a later
//     message in where an earlier one was refused. Many shows at once make up for it: on two busy cores 740 news/s of
//     one show, 4,700/s of 32.
// J3: what is not known is asked: how far the stream is says its last message's id. What is there is not told again.

import {
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type MsgHdrs,
  type NatsConnection,
  type StoredMsg,
} from "nats";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import { type NatsFault, type NatsLink, natsFaultOf } from "../../shared/platform/nats.ts";
import {
  API_MAX_MS,
  ensureNewsStream,
  jetStreamCodeOf,
  NEWS_STREAM,
  NEWS_TYPE_HEADER,
  newsSubjectOf,
} from "../../shared/platform/nats-news-stream.ts";
import type { News, NewsSink } from "../../shared/protocol/show-news.ts";

const MESSAGE_ID_HEADER = "Nats-Msg-Id";
const PUBLISH_MAX_MS = 5_000;
/** Each is another publisher that was faster. */
const CONFLICTS_MAX = 8;
/** Shows whose place in the stream is remembered; the others are asked about. */
const SHOWS_KNOWN_MAX = 50_000;
const WRONG_LAST_SEQUENCE = 10_071;
const MESSAGE_NOT_FOUND = 10_037;

export interface JetStreamSinkOptions {
  readonly link: NatsLink;
  /** How long the stream keeps news. */
  readonly maxAgeMs: number;
  /** Before the first news of every connection, after the stream is there: whoever must not miss it gets ready. */
  readonly prepare?: (connection: NatsConnection) => Promise<void>;
  /** Whoever is told from the stream, and may have been told by the node itself before there was one. */
  readonly heirTo?: readonly string[];
  readonly log: Log;
}

/** Where a news stands in its show's log. */
interface Position {
  readonly seq: number;
  readonly index: number;
}

interface Known {
  /** Everything up to it is in the stream, or was. */
  readonly through: Position;
  /** Of the subject's last message, 0 when there is none; `undefined` when it must be asked for. */
  readonly lastSequence: number | undefined;
}

interface Session {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

const NOWHERE: Known = { through: { seq: -1, index: -1 }, lastSequence: undefined };

const isAfter = (a: Position, b: Position): boolean => (a.seq === b.seq ? a.index > b.index : a.seq > b.seq);
const later = (a: Position, b: Position): Position => (isAfter(a, b) ? a : b);

function positionOf(newsId: string, showId: ShowId): Position | undefined {
  const [, show, seq, index] = /^([A-Za-z0-9_-]+):(\d{1,15}):(\d{1,9})$/.exec(newsId) ?? [];
  return show === showId ? { seq: Number(seq), index: Number(index) } : undefined;
}

export class JetStreamSink implements NewsSink {
  readonly name = "jetstream";
  readonly heirTo: readonly string[];
  readonly #options: JetStreamSinkOptions;
  readonly #encoder = new TextEncoder();
  /** The longest unused first. */
  readonly #known = new Map<ShowId, Known>();
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #streamId: string | undefined;

  constructor(options: JetStreamSinkOptions) {
    this.#options = options;
    this.heirTo = options.heirTo ?? [];
  }

  wants(): boolean {
    return true;
  }

  /** Makes the stream now if NATS is there. Throws a StartFault when it cannot be ours. */
  async check(): Promise<void> {
    if (this.#options.link.status === "connected") await this.#open();
  }

  /** Rejects with a NatsFault (away, full, no answer) or the StartFault of a stream that is not ours. */
  async tell(news: readonly News[]): Promise<number> {
    let safe = 0;
    try {
      const session = await this.#open();
      for (const each of news) {
        await this.#store(session, each);
        safe++;
      }
    } catch (error) {
      if (safe === 0) throw error;
      this.#options.log.debug({ safe, reason: String(error) }, "jetstream: a part was stored");
    }
    return safe;
  }

  /** Returns when it is in the stream, by whomever. */
  async #store(session: Session, news: News): Promise<void> {
    const showId = news.data.show_id;
    const position = positionOf(news.id, showId);
    if (position === undefined) throw new Error(`no id of a news of ${showId}: ${news.id}`);
    for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
      const known = await this.#place(session, showId);
      if (!isAfter(position, known.through)) return;
      try {
        const { seq, duplicate } = await session.client.publish(
          newsSubjectOf(showId),
          this.#encoder.encode(JSON.stringify(news)),
          {
            msgID: news.id,
            headers: headersOf(news),
            expect: { streamName: NEWS_STREAM, lastSubjectSequence: known.lastSequence ?? 0 },
            timeout: PUBLISH_MAX_MS,
          },
        );
        // A duplicate is one whose answer was lost and which is not the last one any more.
        this.#remember(showId, { through: position, lastSequence: duplicate ? undefined : seq });
        return;
      } catch (error) {
        // Whatever it was: the outcome is asked for. A late arrival of this very message is refused then (J1).
        this.#remember(showId, { through: known.through, lastSequence: undefined });
        if (jetStreamCodeOf(error) !== WRONG_LAST_SEQUENCE) throw this.#faultOf(session, error);
      }
    }
    throw new Error(`${showId}: others published ${CONFLICTS_MAX} times in between`);
  }

  /** How far the stream is. */
  async #place({ manager, connection }: Session, showId: ShowId): Promise<Known> {
    const known = this.#known.get(showId) ?? NOWHERE;
    if (known.lastSequence !== undefined) return known;
    let last: StoredMsg | undefined;
    try {
      last = await manager.streams.getMessage(NEWS_STREAM, { last_by_subj: newsSubjectOf(showId) });
    } catch (error) {
      if (jetStreamCodeOf(error) !== MESSAGE_NOT_FOUND) throw this.#faultOf({ connection }, error);
    }
    const id = last?.header.get(MESSAGE_ID_HEADER) ?? "";
    const position = positionOf(id, showId);
    // Purged, or grown too old: what we know ourselves still holds.
    if (last !== undefined && position === undefined) {
      this.#options.log.error({ show_id: showId, sequence: last.seq, id }, "jetstream: a message that is not ours");
    }
    const through = position === undefined ? known.through : later(known.through, position);
    if (isAfter(through, position ?? NOWHERE.through)) {
      this.#options.log.warn(
        { show_id: showId, last: id, through },
        "jetstream: the stream has lost what it had taken",
      );
    }
    return this.#remember(showId, { through, lastSequence: last?.seq ?? 0 });
  }

  #remember(showId: ShowId, known: Known): Known {
    this.#known.delete(showId);
    this.#known.set(showId, known);
    if (this.#known.size > SHOWS_KNOWN_MAX) {
      for (const longestUnused of this.#known.keys()) {
        this.#known.delete(longestUnused);
        break;
      }
    }
    return known;
  }

  /** Once a connection, for however many ask at once. */
  async #open(): Promise<Session> {
    const connection = this.#options.link.connection();
    if (this.#session?.connection === connection) return this.#session;
    this.#opening ??= this.#openOn(connection).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOn(connection: NatsConnection): Promise<Session> {
    const { id } = await ensureNewsStream(connection, this.#options.maxAgeMs);
    if (id !== this.#streamId) {
      // Sequences of another stream mean nothing.
      for (const [showId, { through }] of this.#known) this.#known.set(showId, { through, lastSequence: undefined });
      this.#streamId = id;
    }
    await this.#options.prepare?.(connection);
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_MAX_MS });
    this.#session = { connection, client: connection.jetstream({ timeout: PUBLISH_MAX_MS }), manager };
    return this.#session;
  }

  #faultOf(session: Pick<Session, "connection">, error: unknown): NatsFault {
    // Nobody answers for the stream's subjects, or it is not found: perhaps it is gone. The next call makes it again.
    if (this.#session?.connection === session.connection) this.#session = undefined;
    return natsFaultOf(error, session.connection);
  }
}

function headersOf(news: News): MsgHdrs {
  const all = headers();
  all.set(NEWS_TYPE_HEADER, news.type);
  all.set("Content-Type", "application/cloudevents+json");
  return all;
}
