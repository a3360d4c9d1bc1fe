// Tells any NewsSink what is in the JetStream stream, from a durable consumer that several processes may share.
// F1: news of a show is told when the one before it is told or gone (each message names the one before it), whoever told
//     it and when: also after a crash, also when the server hands a show's messages to different processes.
// F2: first the show's cursor, then the acknowledgement: what is lost in between is recognised when it comes again.
// F3: a show that cannot go on pauses by itself, with a few messages in hand: what is given back comes again in any
//     order, and then each waits for the one before it. Only when our hands are filling up it all goes back, for longer
//     each time: one show never holds up another.
// F4: one call a show at a time; a bounded number of messages in hand, each kept ours for as long as its sink takes.

import type { NatsConnection } from "nats";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { Log } from "../shared/platform/log.ts";
import type { NatsLink } from "../shared/platform/nats.ts";
import { NEWS_STREAM } from "../shared/platform/nats-news-stream.ts";
import { type PulledMessage, pull } from "../shared/platform/nats-pull.ts";
import { type TimerHandle, type Timers, within } from "../shared/platform/timers.ts";
import type { News, NewsSink } from "../shared/protocol/show-news.ts";
import { ConsumerSession, type DurableOptions } from "./consumer-session.ts";
import { type Item, ShowLane } from "./show-lane.ts";

const ACK_WAIT_MS = 30_000;
const IN_HAND_MAX = 500;
const TOLD_AT_ONCE_MAX = 100;
/** Short: a stop waits for its end, so that no message goes to nobody. */
const PULL_MS = 1_000;
/** After a sink refused, or the connection was lost. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 30_000;
/** For news that is in other hands right now. */
const TURN_MIN_MS = 20;
const TURN_MAX_MS = 1_000;
/** From here on a show that pauses is given back. */
const IN_HAND_MANY = 375;
/** Messages of a show that pauses; the latest above go back, for longer each time. */
const PAUSING_MAX = 50;
const ABOVE_MIN_MS = 500;
const ABOVE_MAX_MS = 10_000;
const SHOWS_MISSING_MAX = 10_000;
const STOP_MAX_MS = 5_000;

export interface NewsConsumerOptions {
  readonly link: NatsLink;
  /** Names the durable: another name is another consumer, which begins with the present. */
  readonly sink: NewsSink;
  /** Of the stream. */
  readonly maxAgeMs: number;
  readonly ackWaitMs?: number;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
}

interface Told {
  readonly streamId: string;
  readonly sequence: number;
}

type Outcome = "went on" | "partly refused" | "refused" | "not its turn";

export const durableOf = ({ sink, maxAgeMs, ackWaitMs }: NewsConsumerOptions): DurableOptions => ({
  // JetStream takes neither blanks nor colons and the like.
  durable: sink.name.replaceAll(/[^A-Za-z0-9_-]/g, "-"),
  ackWaitMs: ackWaitMs ?? ACK_WAIT_MS,
  maxAgeMs,
});

export class NewsConsumer {
  readonly #options: NewsConsumerOptions;
  readonly #log: Log;
  readonly #durable: DurableOptions;
  readonly #telling = new Map<ShowId, Promise<void>>();
  /** How often in a row a show could not go on. */
  readonly #misses = new Map<ShowId, number>();
  /** Told, and not yet written down: NATS went away in between. */
  readonly #unrecorded = new Map<ShowId, Told>();
  /** Who pauses, to be woken by a stop. */
  readonly #pauses = new Set<() => void>();
  #inHand = 0;
  #isStopping = false;
  #heart: TimerHandle | undefined;
  #running: Promise<void> = Promise.resolve();
  #onRoom: () => void = () => undefined;
  #wake: () => void = () => undefined;
  readonly #stopAsked = new Promise<undefined>((resolve) => {
    this.#wake = () => resolve(undefined);
  });

  constructor(options: NewsConsumerOptions) {
    this.#options = options;
    this.#durable = durableOf(options);
    this.#log = options.log.child({ sink: options.sink.name });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** What is being told is finished, within a bound; the rest goes back to the server. May be called often. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    this.#onRoom();
    for (const wake of this.#pauses) wake();
    await this.#running;
    await this.#told();
  }

  async #run(): Promise<void> {
    const { link, random } = this.#options;
    for (let pauseMs = RETRY_MIN_MS; !this.#isStopping; pauseMs = Math.min(RETRY_MAX_MS, 2 * pauseMs)) {
      const connection = await this.#connection(link);
      if (connection === undefined) return;
      try {
        const session = await ConsumerSession.open(connection, this.#durable);
        pauseMs = RETRY_MIN_MS;
        await this.#serve(session);
      } catch (error) {
        if (this.#isStopping) return;
        this.#log.warn({ reason: String(error) }, "news: cannot be pulled now");
      }
      await this.#pause(pauseMs * (0.5 + random() / 2));
    }
  }

  /** The present one, or the next; `undefined` when it is over. */
  async #connection(link: NatsLink): Promise<NatsConnection | undefined> {
    while (!this.#isStopping && link.status !== "stopped") {
      if (link.status === "connected") return link.connection();
      let forget: () => unknown = () => undefined;
      const changed = new Promise<void>((resolve) => {
        forget = link.onStatus(() => resolve());
      });
      await Promise.race([changed, this.#stopAsked]);
      forget();
    }
    return undefined;
  }

  /** Until the connection or the consumer is gone (throws), or a stop. */
  async #serve(session: ConsumerSession): Promise<void> {
    this.#beat(session);
    try {
      while (!this.#isStopping) {
        const room = IN_HAND_MAX - this.#inHand;
        if (room <= 0) {
          await new Promise<void>((resolve) => {
            this.#onRoom = resolve;
          });
          continue;
        }
        const end = await pull(session.connection, {
          stream: NEWS_STREAM,
          durable: this.#durable.durable,
          batch: room,
          expiresMs: PULL_MS,
          onMessage: (message) => this.#take(session, message),
          timers: this.#options.timers,
        });
        if (end.kind === "lost") throw new Error(end.reason);
      }
    } finally {
      this.#options.timers.clearTimeout(this.#heart);
      if (this.#isStopping) await this.#finish(session);
    }
  }

  async #finish({ connection }: ConsumerSession): Promise<void> {
    await this.#told();
    const flushed = connection.isClosed() ? Promise.resolve() : connection.flush().catch(() => undefined);
    await within(flushed, PULL_MS, () => undefined, this.#options.timers);
  }

  async #told(): Promise<void> {
    await within(Promise.all(this.#telling.values()), STOP_MAX_MS, () => undefined, this.#options.timers);
  }

  /** F4: a sink may take longer than the server waits. */
  #beat(session: ConsumerSession): void {
    const { timers, ackWaitMs = ACK_WAIT_MS } = this.#options;
    this.#heart = timers.setTimeout(() => {
      for (const lane of session.lanes.values()) for (const { message } of lane.items) message.working();
      this.#beat(session);
    }, ackWaitMs / 3);
  }

  #take(session: ConsumerSession, message: PulledMessage): void {
    if (this.#isStopping) return message.putBack(0);
    const item = itemOf(message);
    if (item === undefined) {
      this.#log.error({ subject: message.subject, sequence: message.sequence }, "news: a message that is none");
      return message.giveUp();
    }
    const { show_id: showId } = item.news.data;
    const lane = session.lanes.get(showId) ?? new ShowLane(showId);
    session.lanes.set(showId, lane);
    this.#inHand += lane.add(item);
    if (this.#misses.has(showId)) this.#trim(lane);
    if (!lane.isWorked) this.#work(session, lane);
  }

  #work(session: ConsumerSession, lane: ShowLane): void {
    const { showId } = lane;
    lane.isWorked = true;
    const work = this.#workThrough(session, lane, this.#telling.get(showId)).finally(() => {
      if (this.#telling.get(showId) === work) this.#telling.delete(showId);
    });
    this.#telling.set(showId, work);
  }

  /** `earlier`: what is still being told of the show on a connection that is gone. */
  async #workThrough(session: ConsumerSession, lane: ShowLane, earlier: Promise<void> | undefined): Promise<void> {
    await earlier;
    while (lane.head !== undefined && !this.#isStopping && !session.isOver) {
      const outcome = await this.#step(session, lane, lane.head).catch((error: unknown) => {
        this.#log.warn({ show_id: lane.showId, reason: String(error) }, "news: a show waits");
        return "refused" as const;
      });
      const pauseMs = this.#pauseMs(lane.showId, outcome);
      if (pauseMs > 0 && this.#inHand >= IN_HAND_MANY) {
        this.#putBack(lane, pauseMs);
        break;
      }
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
    this.#putBack(lane, 0);
    lane.isWorked = false;
    session.lanes.delete(lane.showId);
  }

  async #step(session: ConsumerSession, lane: ShowLane, head: Item): Promise<Outcome> {
    const { showId } = lane;
    const unrecorded = this.#unrecorded.get(showId);
    if (unrecorded !== undefined) await this.#record(session, showId, unrecorded);
    if (session.isTold(showId, head)) {
      this.#done(lane, head.message.sequence);
      return "went on";
    }
    if (!(await session.isNext(showId, head))) return "not its turn";
    // Meanwhile an earlier one may have come, or another process may have told this one.
    if (lane.head !== head || session.isTold(showId, head)) return "went on";
    const chain = lane.chain(TOLD_AT_ONCE_MAX);
    const safe = chain[(await this.#tell(chain)) - 1];
    if (safe === undefined) return "refused";
    await this.#record(session, showId, { streamId: session.streamId, sequence: safe.message.sequence });
    this.#done(lane, safe.message.sequence);
    return safe === chain.at(-1) ? "went on" : "partly refused";
  }

  async #record(session: ConsumerSession, showId: ShowId, told: Told): Promise<void> {
    if (this.#unrecorded.size > SHOWS_MISSING_MAX) this.#unrecorded.clear();
    this.#unrecorded.set(showId, told);
    if (told.streamId === session.streamId) await session.cursors.moveTo(showId, told.sequence);
    this.#unrecorded.delete(showId);
  }

  /** 0: none. */
  #pauseMs(showId: ShowId, outcome: Outcome): number {
    if (outcome === "went on" || outcome === "partly refused") this.#misses.delete(showId);
    if (outcome === "went on") return 0;
    const misses = this.#misses.get(showId) ?? 0;
    if (this.#misses.size > SHOWS_MISSING_MAX) this.#misses.clear();
    if (outcome !== "partly refused") this.#misses.set(showId, misses + 1);
    const [minMs, maxMs] = outcome === "not its turn" ? [TURN_MIN_MS, TURN_MAX_MS] : [RETRY_MIN_MS, RETRY_MAX_MS];
    return Math.min(maxMs, minMs * 2 ** Math.min(20, misses)) * (0.5 + this.#options.random() / 2);
  }

  #pause(pauseMs: number): Promise<void> {
    const { timers } = this.#options;
    return new Promise((resolve) => {
      const wake = (): void => {
        timers.clearTimeout(timer);
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = timers.setTimeout(wake, pauseMs);
      this.#pauses.add(wake);
      if (this.#isStopping) wake();
    });
  }

  /** How many of them, from the head on, are safe or unwanted. */
  async #tell(chain: readonly Item[]): Promise<number> {
    const { sink } = this.#options;
    const wanted = chain.filter(({ news }) => sink.wants(news.type));
    if (wanted.length === 0) return chain.length;
    let safe = 0;
    try {
      safe = await sink.tell(wanted.map(({ news }) => news));
    } catch (error) {
      this.#log.warn({ show_id: wanted[0]?.news.data.show_id, reason: String(error) }, "news: a sink refused");
    }
    const unsafe = wanted[safe];
    return unsafe === undefined ? chain.length : chain.indexOf(unsafe);
  }

  #done(lane: ShowLane, sequence: number): void {
    for (const { message } of lane.takeThrough(sequence)) {
      message.ack();
      this.#letGo();
    }
  }

  /** All with the same delay: they come back together, in order. */
  #putBack(lane: ShowLane, delayMs: number): void {
    for (const { message } of lane.takeThrough(Number.POSITIVE_INFINITY)) {
      message.putBack(delayMs);
      this.#letGo();
    }
  }

  /** The earliest stay: one of them may be what the others wait for. */
  #trim(lane: ShowLane): void {
    for (const { message } of lane.takeAbove(PAUSING_MAX)) {
      message.putBack(Math.min(ABOVE_MAX_MS, ABOVE_MIN_MS * message.deliveries));
      this.#letGo();
    }
  }

  #letGo(): void {
    this.#inHand--;
    this.#onRoom();
  }
}

/** `undefined` when it is not the sink's work: no news, or nobody made sure what it follows. */
function itemOf(message: PulledMessage): Item | undefined {
  const { previous } = message;
  if (previous === undefined) return undefined;
  try {
    const news = JSON.parse(message.text()) as News;
    return typeof news.data.show_id === "string" && typeof news.type === "string"
      ? { message, news, previous }
      : undefined;
  } catch {
    return undefined;
  }
}
