// A whole gateway over fakes, for tests that speak HTTP to it through `app.request()`.

import { generateKeyPairSync } from "node:crypto";
import { Registry } from "prom-client";
import type { SessionId, ShowId } from "../shared/kernel/ids.ts";
import { silentLog } from "../shared/platform/log.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { TicketTokens } from "../shared/tickets/ticket-tokens.ts";
import { FakeTime } from "../waitlist/poll/fake-time.ts";
import { GATEWAY_LIMITS, type GatewayLimits } from "./config.ts";
import { FakeAllocator, FakeShows } from "./fake-allocator.ts";
import { type Scope, Sessions } from "./http/session.ts";
import { type AssembledGateway, assembleGateway } from "./main.ts";

export const SHOW = "show-1" as ShowId;
const SEAT_COUNT = 30;

export interface Asking {
  readonly token?: string;
  readonly key?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface FakeGateway {
  readonly time: FakeTime;
  readonly allocator: FakeAllocator;
  readonly shows: FakeShows;
  readonly gateway: AssembledGateway;
  /** As the gateway signs and reads them. */
  readonly tokens: TicketTokens;
  tokenOf(session: string, ...scopes: Scope[]): Promise<string>;
  /** As `ann`, with a fresh key on every mutation, unless said otherwise; a token or key of "" is left out. */
  ask(method: string, path: string, asking?: Asking): Promise<Response>;
  problem(response: Response | Promise<Response>): Promise<Record<string, unknown>>;
}

const EMPTY_STORE = { query: async () => ({ rows: [] }) } as unknown as Pool;

export async function fakeGateway(limits: Partial<GatewayLimits> = {}, pool = EMPTY_STORE): Promise<FakeGateway> {
  const time = new FakeTime();
  time.nowMs = 1_800_000_000_000;
  const allocator = new FakeAllocator(SEAT_COUNT, time.now);
  const shows = new FakeShows(SEAT_COUNT);
  const secrets = {
    sessionKey: new Uint8Array(32).fill(1),
    operationKey: new Uint8Array(32).fill(2),
    ticketKey: generateKeyPairSync("ed25519").privateKey,
  };
  const gateway = assembleGateway({
    allocator,
    catalogue: { shows, endpoints: () => [] },
    pool,
    secrets,
    log: silentLog(),
    metrics: new Registry(),
    clock: time,
    timers: time,
    limits: { ...GATEWAY_LIMITS, ...limits },
    version: "0",
  });
  const issuer = new Sessions({ sessionKey: secrets.sessionKey, clock: time });
  const tokenOf = async (session: string, ...scopes: Scope[]) =>
    (await issuer.issue({ id: session as SessionId, scopes, ttlS: 3600 })).token;
  const ann = await tokenOf("ann");
  let keyCount = 0;
  const ask: FakeGateway["ask"] = async (method, path, asking = {}) => {
    keyCount += 1;
    const { token = ann, key = `key-${keyCount}`, body, signal } = asking;
    const headers = new Headers(asking.headers);
    if (token !== "") headers.set("authorization", `Bearer ${token}`);
    if (key !== "" && method !== "GET") headers.set("x-idempotency-key", key);
    if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
    const init = {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    };
    return gateway.app.request(path, init);
  };
  const problem: FakeGateway["problem"] = async (response) => {
    const answered = await response;
    const body = (await answered.json()) as Record<string, unknown>;
    return { ...body, http: answered.status };
  };
  const tokens = new TicketTokens(secrets.ticketKey);
  return { time, allocator, shows, gateway, tokens, tokenOf, ask, problem };
}
