// Turns an endpoint into one Hono handler: request id, session, key, input, handler, answer, log, metrics: in this
// order, in one function. A chain of middleware would cost a promise and a context look-up each.
// S1: every answer, whatever happened, carries X-Request-Id, nosniff and a Cache-Control.
// S2: what is thrown is logged with the request id and answered without a word of it.

import { randomBytes } from "node:crypto";
import type { Clock } from "../../shared/platform/clock.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Answer, GatewayContext } from "./answer.ts";
import { BODY_LIMIT_BYTES, readJson } from "./body.ts";
import { type Access, type Endpoint, type EndpointRequest, isProblem, type Result } from "./endpoint.ts";
import { headerOf } from "./headers.ts";
import { readKey } from "./idempotency.ts";
import type { RequestMetrics, RouteMetrics } from "./metrics.ts";
import { invalid, invalidField, notFound, type Problem, problemAnswer } from "./problem.ts";
import { bearerOf, type Session, type Sessions } from "./session.ts";
import { isStoreAway, storeProblem } from "./store-away.ts";
import { fieldErrors, textFault } from "./validation.ts";

export interface ServeOptions {
  readonly sessions: Sessions;
  readonly log: Log;
  readonly metrics: RequestMetrics;
  /** Wall clock, milliseconds. */
  readonly clock: Clock;
}

/** An answer slower than this is worth a line in the log. */
const SLOW_MS = 1000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class Server {
  readonly #options: ServeOptions;
  // Ids of our own: a random start of the process and a count, so that making one costs no entropy.
  readonly #idStart = randomBytes(6).toString("base64url");
  #idCount = 0;

  constructor(options: ServeOptions) {
    this.#options = options;
  }

  /** The handler for one endpoint. */
  handlerOf(endpoint: Endpoint): (c: GatewayContext) => Promise<Response> {
    const route = this.#options.metrics.route(endpoint.method.toUpperCase(), endpoint.path);
    return (c) => this.#serve(c, route, endpoint.patient === true, (requestId) => this.#answer(c, requestId, endpoint));
  }

  /** Answers a request that is nobody's: unknown route, wrong method. */
  respond(c: GatewayContext, result: Result): Promise<Response> {
    return this.#serve(c, this.#options.metrics.route("ANY", "(none)"), false, async () => result);
  }

  async #serve(
    c: GatewayContext,
    route: RouteMetrics,
    patient: boolean,
    answer: (requestId: string) => Promise<Result>,
  ): Promise<Response> {
    const startedAt = this.#options.clock.now();
    const asked = headerOf(c, "x-request-id");
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : this.#nextId();
    let result: Result;
    let thrown: unknown;
    try {
      result = await answer(requestId);
    } catch (error) {
      thrown = error;
      result = isStoreAway(error) ? storeProblem() : INTERNAL_ERROR;
    }
    const final = isProblem(result) ? problemAnswer(result, c.req.path, requestId) : result;
    const tookMs = this.#options.clock.now() - startedAt;
    route.observe(final.status, tookMs);
    const log = this.#options.log;
    if (thrown !== undefined || final.status >= 500) {
      log.error({ requestId, method: c.req.method, path: c.req.path, status: final.status, tookMs, err: thrown });
    } else if (tookMs > SLOW_MS && !patient) {
      log.info({ requestId, method: c.req.method, path: c.req.path, status: final.status, tookMs }, "slow");
    } else if (log.isLevelEnabled("debug")) {
      log.debug({ requestId, method: c.req.method, path: c.req.path, status: final.status, tookMs });
    }
    return toResponse(final, requestId);
  }

  async #answer(c: GatewayContext, requestId: string, endpoint: Endpoint): Promise<Result> {
    let session: Session | undefined;
    if (endpoint.access !== "public") {
      const found = this.#sessionOf(c, endpoint.access) ?? (await this.#verifiedSession(c, endpoint.access));
      if ("code" in found) return found;
      session = found;
    }
    let key: string | undefined;
    if (endpoint.idempotent) {
      const read = readKey(headerOf(c, "x-idempotency-key"), headerOf(c, "idempotency-key"));
      if (typeof read !== "string") return read;
      key = read;
    }
    let params: unknown;
    if (endpoint.params !== undefined) {
      const parsed = endpoint.params.safeParse(c.req.param());
      if (!parsed.success) return notFound();
      params = parsed.data;
    }
    let query: unknown;
    if (endpoint.query !== undefined) {
      const read = readQuery(c, endpoint.query);
      if ("problem" in read) return read.problem;
      query = read.query;
    }
    let body: unknown;
    if (endpoint.body !== undefined) {
      const read = await readBody(c, endpoint.body);
      if ("problem" in read) return read.problem;
      body = read.body;
    }
    const request = { session, key, params, query, body, requestId, context: c };
    return endpoint.handle(request as EndpointRequest<Access, boolean, unknown, unknown, unknown>);
  }

  /** A session already verified, without a promise; `undefined` sends the caller the long way round. */
  #sessionOf(c: GatewayContext, access: Access): Session | Problem | undefined {
    const header = headerOf(c, "authorization");
    const token = header === undefined ? undefined : bearerOf(header);
    if (token === undefined) return UNAUTHORIZED;
    const session = this.#options.sessions.recall(token);
    return session === undefined ? undefined : admit(session, access);
  }

  async #verifiedSession(c: GatewayContext, access: Access): Promise<Session | Problem> {
    const token = bearerOf(headerOf(c, "authorization") ?? "");
    const session = token === undefined ? undefined : await this.#options.sessions.verify(token);
    return session === undefined ? UNAUTHORIZED_TOKEN : admit(session, access);
  }

  #nextId(): string {
    this.#idCount += 1;
    return `${this.#idStart}-${this.#idCount.toString(36)}`;
  }
}

const INTERNAL_ERROR: Problem = {
  code: "internal_error",
  detail: "This is our mistake and is in our log. Asking again with the same idempotency key is safe.",
};

const UNAUTHORIZED: Problem = {
  code: "unauthorized",
  detail: "Send Authorization: Bearer with a token; POST /v1/sessions gives you one.",
  headers: { "WWW-Authenticate": 'Bearer realm="usher"' },
};

const UNAUTHORIZED_TOKEN: Problem = {
  code: "unauthorized",
  detail: "The token is not valid or has expired; POST /v1/sessions gives you a new one.",
  headers: { "WWW-Authenticate": 'Bearer realm="usher", error="invalid_token"' },
};

function admit(session: Session, access: Access): Session | Problem {
  if (access === "session" || access === "public") return session;
  if (session.scopes.includes("admin") || session.scopes.includes(access)) return session;
  return { code: "forbidden", detail: `This needs a token with the scope \`${access}\`.` };
}

function readQuery(
  c: GatewayContext,
  schema: NonNullable<Endpoint["query"]>,
): { query: unknown } | { problem: Problem } {
  const query: Record<string, string> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    const [value = ""] = values;
    const message = textFault(name) ?? textFault(value);
    if (message !== undefined) return { problem: invalidField(textFault(name) ? "query" : name, message) };
    // Kept apart from `query`: whatever the parameter is called, it becomes a field of its own.
    Object.defineProperty(query, name, { value, enumerable: true });
    if (values.length > 1 && knows(schema, name)) return { problem: invalidField(name, "must be given once") };
  }
  const parsed = schema.safeParse(query);
  return parsed.success ? { query: parsed.data } : { problem: invalid(fieldErrors(parsed.error)) };
}

const knows = (schema: object, name: string): boolean =>
  "shape" in schema && typeof schema.shape === "object" && schema.shape !== null && Object.hasOwn(schema.shape, name);

async function readBody(
  c: GatewayContext,
  spec: NonNullable<Endpoint["body"]>,
): Promise<{ body: unknown } | { problem: Problem }> {
  const read = await readJson(c, spec.limitBytes ?? BODY_LIMIT_BYTES);
  if ("problem" in read) return read;
  const value = read.value === undefined && spec.optional ? {} : read.value;
  if (value === undefined) return { problem: invalidField("body", "is required") };
  if (spec.parse !== undefined) return spec.parse(value);
  const parsed = spec.schema.safeParse(value);
  return parsed.success ? { body: parsed.data } : { problem: invalid(fieldErrors(parsed.error)) };
}

function toResponse(answer: Answer, requestId: string): Response {
  const headers: Record<string, string> = { "X-Request-Id": requestId, "X-Content-Type-Options": "nosniff" };
  if (answer.contentType !== undefined) headers["Content-Type"] = answer.contentType;
  if (answer.headers === undefined || !("Cache-Control" in answer.headers)) headers["Cache-Control"] = "no-store";
  if (answer.headers !== undefined) Object.assign(headers, answer.headers);
  return new Response(answer.body as ConstructorParameters<typeof Response>[0], { status: answer.status, headers });
}
