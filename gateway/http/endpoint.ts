// One route: what it takes, who may ask, what it answers (all of it also the OpenAPI document) and its handler.
// A route file exports a function that takes its dependencies and returns endpoints; gateway/app.ts registers them.
// E1: a handler sees checked input only, and answers a value; it never touches a `Response`.
// E2: a refusal or bad input is a returned `Problem`, not a throw. What is thrown is a bug (500) or the store away (503).

import type { z } from "@hono/zod-openapi";
import type { Answer, GatewayContext } from "./answer.ts";
import type { Problem, ProblemCode } from "./problem.ts";
import type { Session } from "./session.ts";

/** Who may ask. `session`: anybody with a token. `admin`, `gate`: a token with that scope (`gate` admits admins too). */
export type Access = "public" | "session" | "admin" | "gate";

export interface BodySpec<Body, Params = unknown> {
  readonly schema: z.ZodType<Body>;
  /** 16 KiB unless said. */
  readonly limitBytes?: number;
  /** Without it a missing body is refused; with it the schema gets `{}`. */
  readonly optional?: true;
  /** Does what `schema` does, faster; the schema stays what is documented. For the hottest routes only. */
  readonly parse?: (value: unknown) => ParsedBody<Body>;
  /**
   * Asked only of a body that was refused: what it names may not even be there, and that comes first. `undefined`: it is
   * there, or nothing can be said.
   */
  readonly absent?: (value: unknown, params: Params) => Promise<Problem | undefined>;
}

export type ParsedBody<Body> = { readonly body: Body } | { readonly problem: Problem };

export interface AnswerSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** `application/json` unless said. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EndpointRequest<A extends Access, Key extends boolean, Params, Query, Body> {
  readonly session: A extends "public" ? undefined : Session;
  /** The idempotency key, where `idempotent`. */
  readonly key: Key extends true ? string : undefined;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly requestId: string;
  /** For what is not above: `If-None-Match`, the connection. */
  readonly context: GatewayContext;
}

export interface EndpointSpec<A extends Access, Key extends boolean, Params, Query, Body> {
  readonly method: "get" | "post" | "patch" | "delete";
  /** With `{name}` for parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: A;
  /** Requires `X-Idempotency-Key`. */
  readonly idempotent: Key;
  /** What does not fit answers 404: a malformed id is the id of nothing. */
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  readonly body?: BodySpec<Body, Params>;
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  /** Beyond those that access, key, query and body bring along. */
  readonly problems: readonly ProblemCode[];
  /** A slow answer is what it is for (a long poll, a stream): not logged as slow. */
  readonly patient?: true;
  handle(request: EndpointRequest<A, Key, Params, Query, Body>): Result | Promise<Result>;
}

export type Result = Answer | Problem;

// A registry of endpoints cannot know the parameters of each; `endpoint()` has checked them before forgetting them.
export type Endpoint = EndpointSpec<Access, boolean, unknown, unknown, unknown>;

/** Checks one route's types and gives it to the registry. */
export function endpoint<
  A extends Access,
  Key extends boolean,
  Params = undefined,
  Query = undefined,
  Body = undefined,
>(spec: EndpointSpec<A, Key, Params, Query, Body>): Endpoint {
  return spec as unknown as Endpoint;
}

export const isProblem = (result: Result): result is Problem => "code" in result;
