// A gateway for the catalogue's tests: its real routes over a real database, in front of a fake allocator whose shows
// have as many seats as asked for. Spoken to through `app.request()`.

import { generateKeyPairSync } from "node:crypto";
import { Registry } from "prom-client";
import { assembleCatalogue } from "../../gateway/catalogue/assemble.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import { FakeAllocator } from "../../gateway/fake-allocator.ts";
import { type Scope, Sessions } from "../../gateway/http/session.ts";
import { assembleGateway } from "../../gateway/main.ts";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { systemTimers } from "../../shared/platform/timers.ts";

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

export interface CatalogueGateway {
  readonly clock: { ms: number; now(): number };
  readonly allocator: FakeAllocator;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Asked>;
  /** As an administrator unless another token is given; a string is sent as it is. */
  send(method: "POST" | "PATCH", path: string, body: unknown, options?: SendOptions): Promise<Asked>;
  tokenOf(...scopes: Scope[]): Promise<string>;
}

export interface SendOptions {
  readonly token?: string;
  readonly key?: string;
}

export async function catalogueGateway(pool: Pool, seatCount: number): Promise<CatalogueGateway> {
  const clock = { ms: 1_800_000_000_000, now: () => clock.ms };
  const allocator = new FakeAllocator(seatCount, clock.now);
  const parts = { pool, allocator, clock, timers: systemTimers, log: silentLog() };
  const secrets = {
    sessionKey: new Uint8Array(32).fill(1),
    operationKey: new Uint8Array(32).fill(2),
    ticketKey: generateKeyPairSync("ed25519").privateKey,
  };
  const { app } = assembleGateway({
    ...parts,
    catalogue: assembleCatalogue({ ...parts, defaults: { holdTtlS: 300, graceS: 5, offerTtlS: 120 } }),
    secrets,
    metrics: new Registry(),
    limits: GATEWAY_LIMITS,
    version: "0",
  });
  const issuer = new Sessions({ sessionKey: secrets.sessionKey, clock });
  const tokenOf = async (...scopes: Scope[]) =>
    (await issuer.issue({ id: "ann" as SessionId, scopes, ttlS: 3_600 })).token;
  const admin = await tokenOf("admin");
  const asked = async (response: Response): Promise<Asked> => {
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  let keys = 0;
  return {
    clock,
    allocator,
    tokenOf,
    get: async (path, headers = {}) => asked(await app.request(path, { headers })),
    send: async (method, path, body, { token = admin, key } = {}) => {
      keys += 1;
      const headers = {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "x-idempotency-key": key ?? `key-${keys}`,
      };
      return asked(
        await app.request(path, { method, headers, body: typeof body === "string" ? body : JSON.stringify(body) }),
      );
    },
  };
}
