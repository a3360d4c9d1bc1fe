// What a route's handler gives back: a plain value, so that a handler is tested without a server and the one place
// that makes a `Response` (serve.ts) adds the headers everybody gets.
// N1: `headers` are plain objects with fixed key spelling: @hono/node-server writes those without building `Headers`.
// N2: without a `Cache-Control` of its own an answer is `no-store`: nothing personal ever lands in a cache.

import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

export type AnswerBody = string | Uint8Array | ReadableStream<Uint8Array> | null;

export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: AnswerBody;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** What a context carries: Node's own request and response. In `app.request()` there are none, nor an `env` at all. */
export type GatewayEnv = { Bindings: Partial<HttpBindings> };

export type GatewayContext = Context<GatewayEnv>;

export const JSON_TYPE = "application/json";

export function json(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Answer {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(value), headers };
}

/** Ready-made bytes: `body` is sent as it is, never copied, and must not change afterwards. */
export function bytes(
  status: number,
  contentType: string,
  body: Uint8Array,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return { status, contentType, body, headers };
}

export function empty(status: number, headers?: Readonly<Record<string, string>>): Answer {
  return { status, contentType: undefined, body: null, headers };
}
