// A connection to NATS that is always being kept up: requests, publishing, subscriptions, and JetStream through
// `connection()`. Binary payloads; what they mean is for others.
// L1: it reconnects for ever, with jitter, until `stop`; subscriptions are made again, messages meanwhile are missed:
//     `onStatus` tells of the gap.
// L2: while NATS is away nothing is queued: publishing and asking fail at once, and so does what was being asked.
// L3: a server that stopped in its tracks is noticed within about 2 s, like one that is gone.
// L4: reconnecting is ours, not the library's: nats 2.29.3 leaks a socket with every attempt at a frozen server (7
//     connections after 5 s, still there after it went on), and with a full send buffer it notices that the server is
//     stale but lets go only when the server goes on.

import {
  connect,
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NatsError,
  type Subscription as Registration,
} from "nats";
import { ask } from "./line-client.ts";
import type { Log } from "./log.ts";
import type { NatsAddress, NatsServerAddress } from "./nats-address.ts";
import { StartFault } from "./start-fault.ts";
import { type Timers, within } from "./timers.ts";

const PING_INTERVAL_MS = 500;
/** The fourth ping is not sent any more: 2 s after the first answer that did not come, at most half a second later. */
const PINGS_OUT_MAX = 3;
const CONNECT_MAX_MS = 2_000;
const FIRST_PAUSE_MS = 50;
const PAUSE_MAX_MS = 2_000;
const DRAIN_MAX_MS = 3_000;

export type NatsStatus = "connected" | "away" | "stopped";

/** Why NATS did not do it. Whether a request was heard is not known, but for `away` before it was sent. */
export type NatsFaultCode = "away" | "timeout" | "no_responders" | "refused";

export class NatsFault extends Error {
  override readonly name = "NatsFault";
  readonly code: NatsFaultCode;

  constructor(code: NatsFaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export interface NatsOptions {
  readonly address: NatsAddress;
  /** What the server's monitoring calls us. */
  readonly name: string;
  /** When no server answers at first: `fail` throws a StartFault, `keep_trying` goes on behind the answer. */
  readonly whenAway: "fail" | "keep_trying";
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
}

export interface NatsMessage {
  readonly subject: string;
  /** The library's buffer: copy what is to be kept. */
  readonly data: Uint8Array;
  readonly reply: string | undefined;
  readonly headers: MsgHdrs | undefined;
}

export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: MsgHdrs;
}

export interface NatsSubscription {
  unsubscribe(): void;
}

interface Wish {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly onMessage: (message: NatsMessage) => void;
  registration: Registration | undefined;
}

/** Throws a StartFault when NATS lets us not in; for `whenAway: "fail"` also when no server answers. */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const link = new NatsLink(options);
  const failure = await link.start();
  if (failure === undefined) return link;
  const where = options.address.servers.map(({ host, port }) => `${host}:${port}`).join(", ");
  const isRefused = failure.code === "refused";
  if (!isRefused && options.whenAway === "keep_trying") {
    options.log.warn({ servers: where }, "NATS does not answer yet; trying on");
    return link;
  }
  await link.stop();
  throw isRefused
    ? new StartFault("nats_refused", `NATS at ${where} lets us not in: ${failure.message}.`, failure)
    : new StartFault("nats_away", `NATS does not answer at ${where}: ${failure.message}.`, failure);
}

export class NatsLink {
  readonly #options: NatsOptions;
  readonly #wishes = new Set<Wish>();
  readonly #listeners = new Set<(status: NatsStatus) => void>();
  #current: NatsConnection | undefined;
  #isStopping = false;
  #keeping: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#wake = resolve;
  });

  constructor(options: NatsOptions) {
    this.#options = options;
  }

  /** The first attempt; why it failed. It goes on trying either way. */
  async start(): Promise<NatsFault | undefined> {
    const first = await this.#attempt();
    this.#keeping = this.#keep(first instanceof NatsFault ? undefined : first);
    return first instanceof NatsFault ? first : undefined;
  }

  get status(): NatsStatus {
    if (this.#isStopping) return "stopped";
    return this.#current === undefined ? "away" : "connected";
  }

  /** Told of every change from now on. Answers how to be told no more. */
  onStatus(listener: (status: NatsStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The connection of this moment, for JetStream; another one after every gap. Throws the NatsFault `away`. */
  connection(): NatsConnection {
    if (this.#current === undefined) throw new NatsFault("away", "NATS is away");
    return this.#current;
  }

  /** Throws the NatsFault `away`. Once it returned, the message may still be lost with the connection. */
  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): void {
    const { reply, headers } = options;
    this.connection().publish(subject, payload, { ...(reply && { reply }), ...(headers && { headers }) });
  }

  /** The first answer. Rejects with a NatsFault. */
  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<NatsMessage> {
    const connection = this.connection();
    try {
      return messageOf(await connection.request(subject, payload, { timeout: timeoutMs }));
    } catch (error) {
      throw natsFaultOf(error, connection);
    }
  }

  /** A subject of our own that answers can be sent to. */
  inbox(): string {
    return createInbox();
  }

  /** With a queue name: each message goes to one of all who gave it. Survives every gap; see L1. */
  subscribe(
    subject: string,
    onMessage: (message: NatsMessage) => void,
    options: { readonly queue?: string } = {},
  ): NatsSubscription {
    const wish: Wish = { subject, queue: options.queue, onMessage, registration: undefined };
    this.#wishes.add(wish);
    if (this.#current !== undefined) this.#register(wish, this.#current);
    return {
      unsubscribe: () => {
        this.#wishes.delete(wish);
        if (this.status === "connected") wish.registration?.unsubscribe();
      },
    };
  }

  /** Sends what was published, hands over what has come, lets go; within a bound. May be called often. */
  async stop(boundMs = DRAIN_MAX_MS): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#wake();
      const connection = this.#current;
      const drained = connection?.drain().catch(() => undefined) ?? Promise.resolve();
      await within(drained, boundMs, () => undefined, this.#options.timers);
      await connection?.close();
      this.#tell("stopped");
    }
    await this.#keeping;
  }

  async #keep(first: NatsConnection | undefined): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    for (let connection = first; !this.#isStopping; ) {
      if (connection !== undefined) {
        pauseMs = FIRST_PAUSE_MS;
        await this.#serve(connection);
        connection = undefined;
        continue;
      }
      await within(
        this.#stopAsked,
        pauseMs * (0.5 + this.#options.random() / 2),
        () => undefined,
        this.#options.timers,
      );
      if (this.#isStopping) return;
      const next = await this.#attempt();
      if (!(next instanceof NatsFault)) connection = next;
      else if (next.code === "refused") this.#options.log.error({ reason: next.message }, "NATS lets us not in");
      pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
    }
  }

  /** Until it is lost. */
  async #serve(connection: NatsConnection): Promise<void> {
    // Not waited for: the library does not always end what it tells of a connection that was closed.
    void this.#watch(connection);
    await connection.closed();
    this.#current = undefined;
    if (this.#isStopping) return;
    this.#options.log.warn({}, "NATS is away");
    this.#tell("away");
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type, data } of connection.status()) {
      if (type === "error") this.#options.log.warn({ reason: String(data) }, "NATS says");
      // L4: not awaited by the library where the send buffer is full.
      if (type === "staleConnection") await connection.close();
    }
  }

  /** From the first server that answers, in any order. */
  async #attempt(): Promise<NatsConnection | NatsFault> {
    let failure = new NatsFault("away", "nobody listens there");
    for (const server of this.#shuffled()) {
      if (this.#isStopping) break;
      const connection = await this.#dial(server);
      if (!(connection instanceof NatsFault)) return this.#take(connection);
      if (failure.code !== "refused") failure = connection;
    }
    return failure;
  }

  #take(connection: NatsConnection): NatsConnection {
    // Asked to stop in the meantime: `closed()` resolves at once, and nobody hears of it.
    if (this.#isStopping) void connection.close();
    else {
      this.#current = connection;
      for (const wish of this.#wishes) this.#register(wish, connection);
      this.#options.log.info({ server: connection.getServer() }, "connected to NATS");
      this.#tell("connected");
    }
    return connection;
  }

  async #dial({ host, port }: NatsServerAddress): Promise<NatsConnection | NatsFault> {
    // L4: a frozen server takes connections and says nothing; one that speaks is alive.
    const isComplete = (answer: string): boolean => answer.includes("\r\n");
    const hello = await ask({ host, port, isComplete, boundMs: CONNECT_MAX_MS });
    if (hello === undefined) return new NatsFault("away", "it does not answer");
    if (!hello.startsWith("INFO ")) return new NatsFault("refused", "what answers is not NATS");
    const { isTls, user, password, token } = this.#options.address;
    try {
      return await connect({
        servers: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
        name: this.#options.name,
        reconnect: false,
        // The system's own resolver knows /etc/hosts; the library's does not.
        resolve: false,
        ignoreClusterUpdates: true,
        noAsyncTraces: true,
        timeout: CONNECT_MAX_MS,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: PINGS_OUT_MAX,
        ...(isTls && { tls: {} }),
        ...(user !== undefined && { user }),
        ...(password !== undefined && { pass: password }),
        ...(token !== undefined && { token }),
      });
    } catch (error) {
      return natsFaultOf(error);
    }
  }

  #shuffled(): NatsServerAddress[] {
    return this.#options.address.servers
      .map((server) => ({ server, at: this.#options.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ server }) => server);
  }

  #register(wish: Wish, connection: NatsConnection): void {
    const callback = (error: NatsError | null, message: Msg): void => {
      if (error !== null) {
        this.#options.log.error({ subject: wish.subject, reason: error.message }, "NATS refuses a subscription");
        return;
      }
      try {
        wish.onMessage(messageOf(message));
      } catch (bug) {
        // Out of the library's reader, which would end in silence.
        queueMicrotask(() => {
          throw bug;
        });
      }
    };
    wish.registration = connection.subscribe(wish.subject, { callback, ...(wish.queue && { queue: wish.queue }) });
  }

  #tell(status: NatsStatus): void {
    for (const listener of this.#listeners) listener(status);
  }
}

function messageOf({ subject, data, reply, headers }: Msg): NatsMessage {
  return { subject, data, reply: reply || undefined, headers };
}

const REFUSALS = new Set(["AUTHORIZATION_VIOLATION", "BAD_AUTHENTICATION", "PERMISSIONS_VIOLATION", "TLS"]);

/** What the library threw, in our words. */
export function natsFaultOf(error: unknown, connection?: NatsConnection): NatsFault {
  if (error instanceof NatsFault) return error;
  // A bug is no fault of NATS.
  if (error instanceof TypeError || error instanceof ReferenceError) throw error;
  // The library calls it a time-out when the connection was closed under it.
  if (connection?.isClosed()) return new NatsFault("away", "NATS went away", error);
  const refusal = error instanceof NatsError ? error.api_error?.description : undefined;
  if (refusal !== undefined) return new NatsFault("refused", `JetStream: ${refusal}`, error);
  const code = error instanceof NatsError ? error.code : "";
  const message = error instanceof Error && error.message !== "" ? error.message : String(error);
  if (code === "TIMEOUT") return new NatsFault("timeout", "no answer in time", error);
  if (code === "503") return new NatsFault("no_responders", "nobody answers there", error);
  if (REFUSALS.has(code)) return new NatsFault("refused", message, error);
  return new NatsFault("away", message, error);
}
