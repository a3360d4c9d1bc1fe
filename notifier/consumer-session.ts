// What a consumer of news has while one connection lasts: the durable consumer in the stream, the cursors of the shows,
// and the answer to one question: may this news be told now?

import { AckPolicy, type ConsumerInfo, DeliverPolicy, type JetStreamManager, type NatsConnection, nanos } from "nats";
import type { ShowId } from "../shared/kernel/ids.ts";
import {
  API_MAX_MS,
  ensureNewsStream,
  jetStreamCodeOf,
  NEWS_STREAM,
  type NewsStream,
} from "../shared/platform/nats-news-stream.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import type { Item, ShowLane } from "./show-lane.ts";
import { ToldCursors } from "./told-cursors.ts";

/** Delivered and not acknowledged, by all processes together: also those that were put back for a while. */
const UNACKNOWLEDGED_MAX = 10_000;
const CONSUMER_NOT_FOUND = 10_014;
const MESSAGE_NOT_FOUND = 10_037;

export interface DurableOptions {
  readonly durable: string;
  readonly ackWaitMs: number;
  readonly maxAgeMs: number;
}

export interface NewsDurable {
  readonly streamId: string;
  /** Up to it everything is acknowledged, or before the beginning. */
  readonly floor: number;
}

/**
 * Stream and consumer, made when absent: a new consumer begins with the present. Throws a StartFault when there is
 * something else of that name.
 */
export async function ensureNewsConsumer(connection: NatsConnection, options: DurableOptions): Promise<NewsDurable> {
  const { durable, ackWaitMs, maxAgeMs } = options;
  const stream = await ensureNewsStream(connection, maxAgeMs);
  const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_MAX_MS });
  const limits = { ack_wait: nanos(ackWaitMs), max_ack_pending: UNACKNOWLEDGED_MAX };
  const found = await infoOf(manager, durable);
  if (found === undefined) {
    const begin = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: stream.lastSequence + 1 };
    const config = { durable_name: durable, ack_policy: AckPolicy.Explicit, max_deliver: -1, ...begin, ...limits };
    try {
      return durableIn(stream, await manager.consumers.add(NEWS_STREAM, config));
    } catch (error) {
      // Somebody made it in between, and news came in between too: then the beginning cannot be ours.
      const made = await infoOf(manager, durable);
      if (made === undefined) throw error;
      return durableIn(stream, made);
    }
  }
  const { config } = found;
  if (config.ack_policy !== AckPolicy.Explicit || config.deliver_subject !== undefined) {
    throw new StartFault(
      "news_consumer",
      `The consumer ${durable} of ${NEWS_STREAM} is not one of Usher's; delete it.`,
    );
  }
  if (config.ack_wait !== limits.ack_wait || config.max_ack_pending !== limits.max_ack_pending) {
    await manager.consumers.update(NEWS_STREAM, durable, limits);
  }
  return durableIn(stream, found);
}

async function infoOf(manager: JetStreamManager, durable: string): Promise<ConsumerInfo | undefined> {
  try {
    return await manager.consumers.info(NEWS_STREAM, durable);
  } catch (error) {
    if (jetStreamCodeOf(error) === CONSUMER_NOT_FOUND) return undefined;
    throw error;
  }
}

const durableIn = (stream: NewsStream, info: ConsumerInfo): NewsDurable => ({
  streamId: stream.id,
  floor: floorOf(info),
});

/** The server's floor begins at 0, wherever the consumer begins. */
const floorOf = ({ ack_floor, config }: ConsumerInfo): number =>
  Math.max(ack_floor.stream_seq, (config.opt_start_seq ?? 1) - 1);

interface Parts {
  readonly connection: NatsConnection;
  readonly streamId: string;
  readonly manager: JetStreamManager;
  readonly cursors: ToldCursors;
  readonly durable: string;
  readonly floor: number;
}

export class ConsumerSession {
  readonly connection: NatsConnection;
  readonly streamId: string;
  readonly cursors: ToldCursors;
  readonly lanes = new Map<ShowId, ShowLane>();
  readonly #manager: JetStreamManager;
  readonly #durable: string;
  #floor: number;

  private constructor({ connection, streamId, manager, cursors, durable, floor }: Parts) {
    this.connection = connection;
    this.streamId = streamId;
    this.cursors = cursors;
    this.#manager = manager;
    this.#durable = durable;
    this.#floor = floor;
  }

  static async open(connection: NatsConnection, options: DurableOptions): Promise<ConsumerSession> {
    const { durable, maxAgeMs } = options;
    const { streamId, floor } = await ensureNewsConsumer(connection, options);
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_MAX_MS });
    const cursors = await ToldCursors.open({ connection, durable, streamId, maxAgeMs });
    return new ConsumerSession({ connection, streamId, manager, cursors, durable, floor });
  }

  get isOver(): boolean {
    return this.connection.isClosed();
  }

  isTold(showId: ShowId, { message }: Item): boolean {
    return message.sequence <= this.cursors.knownOf(showId);
  }

  /** Whether all earlier news of its show is told, or gone for ever. What is cheap to know is asked first. */
  async isNext(showId: ShowId, { previous }: Item): Promise<boolean> {
    if (previous <= Math.max(this.#floor, this.cursors.knownOf(showId))) return true;
    if (previous <= (await this.cursors.read(showId))) return true;
    await this.refresh();
    return previous <= this.#floor || !(await this.#isStored(previous));
  }

  /** Throws when the consumer is gone. */
  async refresh(): Promise<void> {
    this.#floor = floorOf(await this.#manager.consumers.info(NEWS_STREAM, this.#durable));
  }

  async #isStored(sequence: number): Promise<boolean> {
    try {
      await this.#manager.streams.getMessage(NEWS_STREAM, { seq: sequence });
      return true;
    } catch (error) {
      if (jetStreamCodeOf(error) === MESSAGE_NOT_FOUND) return false;
      throw error;
    }
  }
}
