// Pulling from a durable JetStream consumer, by the wire protocol: one request for a number of messages, which ends by
// itself. The library's own iterators neither end with a connection that is closed under them, nor say when.
// Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference (CONSUMER.MSG.NEXT, acknowledgements)

import { createInbox, type Msg, type MsgHdrs, type NatsConnection, nanos } from "nats";
import { type Timers, within } from "./timers.ts";

/** The server's word that a pull is over comes within its time; so much later nobody is waited for. */
const LATE_MAX_MS = 2_000;
const EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence";

export interface PullOptions {
  readonly stream: string;
  readonly durable: string;
  readonly batch: number;
  /** It ends after that at the latest. */
  readonly expiresMs: number;
  readonly onMessage: (message: PulledMessage) => void;
  readonly timers: Timers;
}

export interface PullEnd {
  /** `lost`: the consumer, the stream or the connection is gone, or nobody answers. */
  readonly kind: "over" | "lost";
  readonly messages: number;
  readonly reason: string;
}

/** Never rejects. A message that comes after its end is handed over all the same: somebody must put it back. */
export async function pull(connection: NatsConnection, options: PullOptions): Promise<PullEnd> {
  const { stream, durable, batch, expiresMs, onMessage, timers } = options;
  let messages = 0;
  let settle: (end: Pick<PullEnd, "kind" | "reason">) => void = () => undefined;
  const ended = new Promise<Pick<PullEnd, "kind" | "reason">>((resolve) => {
    settle = resolve;
  });
  try {
    const inbox = createInbox();
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return settle({ kind: "lost", reason: error.message });
        const status = message.headers?.code ?? 0;
        if (status !== 0) return settle(endOf(status, message.headers?.description ?? ""));
        messages++;
        onMessage(new PulledMessage(message, connection));
        if (messages === batch) settle({ kind: "over", reason: "all there" });
      },
    });
    const request = JSON.stringify({ batch, expires: nanos(expiresMs) });
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, request, { reply: inbox });
    const late = () => ({ kind: "lost" as const, reason: "no word from the consumer" });
    // Its own end, not the connection's: a promise that lives long would keep something of every pull.
    const closed = subscription.closed.then(() => ({ kind: "lost" as const, reason: "the connection was closed" }));
    const end = await within(Promise.race([ended, closed]), expiresMs + LATE_MAX_MS, late, timers);
    if (!connection.isClosed()) subscription.unsubscribe();
    return { ...end, messages };
  } catch (error) {
    return { kind: "lost", messages, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** 404 and 408: nothing (more) came. 409: among others, the consumer was deleted. 503: nobody has this consumer. */
function endOf(status: number, description: string): Pick<PullEnd, "kind" | "reason"> {
  const isOver = status === 404 || status === 408;
  return { kind: isOver ? "over" : "lost", reason: `${status} ${description}` };
}

/** One delivery of a message. Whatever is answered to a closed connection is lost, and the message comes again. */
export class PulledMessage {
  /** In the stream. */
  readonly sequence: number;
  /** 1 at first. */
  readonly deliveries: number;
  readonly #message: Msg;
  readonly #connection: NatsConnection;

  constructor(message: Msg, connection: NatsConnection) {
    this.#message = message;
    this.#connection = connection;
    // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>, with domain and account
    // after the second word in newer servers, which also add one at the end.
    const words = (message.reply ?? "").split(".");
    const first = words.length > 9 ? 6 : 4;
    this.deliveries = Number(words[first]);
    this.sequence = Number(words[first + 1]);
  }

  get subject(): string {
    return this.#message.subject;
  }

  get headers(): MsgHdrs | undefined {
    return this.#message.headers;
  }

  text(): string {
    return this.#message.string();
  }

  /**
   * The sequence of the message before it on its subject, 0 if there was none: its publisher expected that one, and the
   * server agreed. `undefined` when it expected nothing.
   */
  get previous(): number | undefined {
    const value = this.#message.headers?.get(EXPECTED_HEADER) ?? "";
    return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  }

  /** It is done. */
  ack(): void {
    this.#answer("+ACK");
  }

  /** To be delivered again, to whomever. */
  putBack(delayMs: number): void {
    this.#answer(delayMs > 0 ? `-NAK {"delay": ${nanos(Math.round(delayMs))}}` : "-NAK");
  }

  /** It is being worked on: the wait for its acknowledgement begins anew. */
  working(): void {
    this.#answer("+WPI");
  }

  /** Not to be delivered again. */
  giveUp(): void {
    this.#answer("+TERM");
  }

  #answer(word: string): void {
    const { reply } = this.#message;
    if (reply === undefined || this.#connection.isClosed()) return;
    try {
      this.#connection.publish(reply, word);
    } catch {
      // It is being drained: too late.
    }
  }
}
