// A gateway of a cluster in this process: the real one but for its server, over a bus on which messages can be lost.
// What several of them have in common is in the test database, as in production.

import { pino } from "pino";
import { PostgresMembershipStore } from "../../allocator/cluster/membership-store.ts";
import { AllocatorClient } from "../../gateway/allocator-client.ts";
import { assembleCatalogue } from "../../gateway/catalogue/assemble.ts";
import { hearOthers, tellOthers } from "../../gateway/catalogue/others.ts";
import { ClockWatch } from "../../gateway/clock-watch.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import { type Scope, Sessions } from "../../gateway/http/session.ts";
import { assembleGateway } from "../../gateway/main.ts";
import type { Bus } from "../../shared/cluster/bus.ts";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { type Clock, createAlignedClock } from "../../shared/platform/clock.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { createMetrics } from "../../shared/platform/metrics.ts";
import { natsBus } from "../../shared/platform/nats-bus.ts";
import { loadSecrets } from "../../shared/platform/secrets.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { ClusterHouse } from "./cluster.ts";
import { linkTo } from "./nats.ts";
import type { TestScope } from "./postgres.ts";

export interface GatewayAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

export interface Sending {
  readonly token: string;
  readonly key?: string;
  readonly body?: unknown;
}

export interface ClusterGateway {
  readonly client: AllocatorClient;
  readonly bus: LossyBus;
  get(path: string, token?: string): Promise<GatewayAnswer>;
  send(method: "POST" | "PATCH" | "DELETE", path: string, sending: Sending): Promise<GatewayAnswer>;
  /** The events of a stream as they come, until the test ends. */
  stream(path: string): Promise<StreamedEvent[]>;
  /** A new session's. */
  token(...scopes: Scope[]): Promise<string>;
  /** Polls parked here. */
  parked(): Promise<number>;
}

export interface StreamedEvent {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly data: any;
}

/** Loses what it is told to; B1 of the bus allows that at any time. */
export class LossyBus implements Bus {
  readonly #bus: Bus;
  #losing: ((subject: string) => boolean) | undefined;
  /** Subjects of the messages that were lost. */
  readonly lost: string[] = [];

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** From now on; nothing is lost when `undefined`. */
  lose(losing: ((subject: string) => boolean) | undefined): void {
    this.#losing = losing;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#bus.publish(subject, data, reply);
  }

  subscribe: Bus["subscribe"] = (subject, listener) =>
    this.#bus.subscribe(subject, (message) => {
      if (this.#losing?.(message.subject) === true) this.lost.push(message.subject);
      else listener(message);
    });

  isConnected(): boolean {
    return this.#bus.isConnected();
  }

  onConnection: Bus["onConnection"] = (listener) => this.#bus.onConnection(listener);
}

let gateways = 0;
let keys = 0;
let sessions = 0;

export interface GatewayOptions {
  /** By which the catalogue's answers grow old; the gateway's own unless given. */
  readonly catalogueClock?: Clock;
}

export async function startGatewayOf(
  t: TestScope,
  { database, natsUrl }: ClusterHouse,
  options: GatewayOptions = {},
): Promise<ClusterGateway> {
  gateways += 1;
  const link = await linkTo(t, natsUrl, { name: `gateway ${gateways}` });
  const bus = new LossyBus(natsBus(link));
  const store = new PostgresMembershipStore(database.pool);
  const clock = createAlignedClock();
  const watch = new ClockWatch({ pool: database.pool, clock, timers: systemTimers });
  await watch.start();
  t.teardown(() => watch.stop());
  const parts = { pool: database.pool, clock, timers: systemTimers, log: silentLog() };
  const client = new AllocatorClient({
    gatewayId: `gateway${gateways}`,
    bus,
    readView: () => store.view(),
    timers: systemTimers,
    now: () => performance.now(),
    random: Math.random,
    log: pino({ level: "silent" }),
  });
  await client.start();
  t.teardown(async () => client.stop());
  const defaults = { holdTtlS: 300, graceS: 5, offerTtlS: 120 };
  const catalogue = assembleCatalogue({
    ...parts,
    clock: options.catalogueClock ?? clock,
    allocator: client,
    defaults,
    onChanged: tellOthers(bus),
  });
  const hearNoMore = hearOthers(bus, () => catalogue.invalidate());
  t.teardown(async () => hearNoMore());
  const secrets = await loadSecrets(database.pool);
  const metrics = createMetrics();
  const gateway = assembleGateway({
    ...parts,
    allocator: client,
    catalogue,
    secrets,
    metrics,
    limits: GATEWAY_LIMITS,
    version: "0",
  });
  t.teardown(async () => {
    gateway.drain();
    gateway.stop();
  });
  const issuer = new Sessions({ sessionKey: secrets.sessionKey, clock });
  const ask = async (path: string, init: RequestInit): Promise<GatewayAnswer> => {
    const response = await gateway.app.request(path, init);
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    client,
    bus,
    get: (path, token) => ask(path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }),
    send: (method, path, { token, key = `key-${++keys}`, body }) =>
      ask(path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          "x-idempotency-key": key,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    stream: async (path) => {
      const response = await gateway.app.request(path);
      const events: StreamedEvent[] = [];
      if (response.body !== null) void collect(response.body, events);
      return events;
    },
    token: async (...scopes) => {
      sessions += 1;
      const id = `guest-${sessions}` as SessionId;
      return (await issuer.issue({ id, scopes, ttlS: 3_600 })).token;
    },
    parked: async () => Number(/^usher_parked_polls (\d+)$/m.exec(await metrics.metrics())?.[1]),
  };
}

/** Until the gateway ends the stream. */
async function collect(body: ReadableStream<Uint8Array>, events: StreamedEvent[]): Promise<void> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) events.push({ event, data: JSON.parse(data) });
    }
  }
}
