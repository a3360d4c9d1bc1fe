// Turns an endpoint into one Hono handler: request id, session, key, input, handler, answer, log, metrics: in this
// order, in one function. A chain of middleware would cost a promise and a context look-up each.
// S1: every answer, whatever happened, carries X-Request-Id, nosniff and a Cache-Control.
// S2: once draining, every answer closes its connection: a client that keeps it would send its next request into a
//     socket that is about to go.
// S3: a bug is logged with the request id and answered without a word of it. Refusals and faults (503) are counted, and
//     logged at debug: who caused them logs them once, not once a request.

import { randomBytes } from "node:crypto";
import type { Clock } from "../../shared/platform/clock.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Answer, GatewayContext } from "./answer.ts";
import { BODY_LIMIT_BYTES, readJson } from "./body.ts";
import {
  type Access,
  type Endpoint,
  type EndpointRequest,
  isProblem,
  type ParsedBody,
  type Result,
} from "./endpoint.ts";
import { headerOf } from "./headers.ts";
import { readKey } from "./idempotency.ts";
import type { RequestMetrics, RouteMetrics } from "./metrics.ts";
import { invalid, invalidField, NOTHING_NAMED_SO, type Problem, problemAnswer } from "./problem.ts";
import { safeParse } from "./safe-parse.ts";
import { fieldErrors } from "./schema-words.ts";
import { bearerOf, type Session, type Sessions } from "./session.ts";
import { isStoreAway, storeProblem } from "./store-away.ts";
import { textFault } from "./validation.ts";

export interface ServeOptions {
  readonly sessions: Sessions;
  readonly log: Log;
  readonly metrics: RequestMetrics;
  /** Wall clock, milliseconds. */
  readonly clock: Clock;
}

type AnyRequest = EndpointRequest<Access, boolean, unknown, unknown, unknown>;

/** One request while it is answered. */
interface Exchange {
  readonly c: GatewayContext;
  readonly requestId: string;
  readonly startedAt: number;
  readonly route: RouteMetrics;
  readonly isPatient: boolean;
}

const lineOf = ({ c, requestId }: Exchange, status: number, tookMs: number): object => ({
  requestId,
  method: c.req.method,
  path: c.req.path,
  status,
  tookMs,
});

/** An answer slower than this is worth a line in the log. */
const SLOW_MS = 1000;
/** One line in this time: under overload everything is slow, and writing so would make it slower. */
const SLOW_LOG_MS = 1000;
const INTERNAL_ERROR_STATUS = 500;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class Server {
  readonly #options: ServeOptions;
  // Ids of our own: a random start of the process and a count, so that making one costs no entropy.
  readonly #idStart = randomBytes(6).toString("base64url");
  #idCount = 0;
  #isDraining = false;
  #slowLoggedAt = Number.NEGATIVE_INFINITY;
  /** Slow requests since the last line about one. */
  #slowUnlogged = 0;

  constructor(options: ServeOptions) {
    this.#options = options;
  }

  /** From now on (S2); answers under way included. */
  drain(): void {
    this.#isDraining = true;
  }

  /** The handler for one endpoint. */
  handlerOf(endpoint: Endpoint): (c: GatewayContext) => Response | Promise<Response> {
    const route = this.#options.metrics.route(endpoint.method.toUpperCase(), endpoint.path);
    const isPatient = endpoint.patient === true;
    return (c) => {
      const exchange = this.#begin(c, route, isPatient);
      try {
        const result = this.#answer(exchange, endpoint);
        return result instanceof Promise ? this.#finishLater(exchange, result) : this.#finish(exchange, result);
      } catch (error) {
        return this.#fail(exchange, error);
      }
    };
  }

  /** Answers a request that is nobody's: unknown route, wrong method. */
  respond(c: GatewayContext, result: Result): Response {
    return this.#finish(this.#begin(c, this.#options.metrics.route("ANY", "(none)"), false), result);
  }

  #begin(c: GatewayContext, route: RouteMetrics, isPatient: boolean): Exchange {
    const asked = headerOf(c, "x-request-id");
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : this.#nextId();
    return { c, requestId, startedAt: this.#options.clock.now(), route, isPatient };
  }

  async #finishLater(exchange: Exchange, result: Promise<Result>): Promise<Response> {
    try {
      return this.#finish(exchange, await result);
    } catch (error) {
      return this.#fail(exchange, error);
    }
  }

  #fail(exchange: Exchange, error: unknown): Response {
    return this.#finish(exchange, isStoreAway(error) ? storeProblem() : INTERNAL_ERROR, error);
  }

  #finish(exchange: Exchange, result: Result, thrown?: unknown): Response {
    const { requestId, startedAt, route, isPatient } = exchange;
    const answer = isProblem(result) ? problemAnswer(result, exchange.c.req.path, requestId) : result;
    const { status } = answer;
    const tookMs = this.#options.clock.now() - startedAt;
    route.observe(status, tookMs);
    const log = this.#options.log;
    if (status === INTERNAL_ERROR_STATUS)
      log.error({ ...lineOf(exchange, status, tookMs), err: thrown }, "request failed");
    else if (tookMs > SLOW_MS && !isPatient) this.#logSlow(exchange, status, tookMs);
    else if (log.isLevelEnabled("debug")) log.debug({ ...lineOf(exchange, status, tookMs), err: thrown }, "request");
    return toResponse(answer, requestId, this.#isDraining ? CLOSE : undefined);
  }

  #logSlow(exchange: Exchange, status: number, tookMs: number): void {
    const at = exchange.startedAt + tookMs;
    if (at < this.#slowLoggedAt + SLOW_LOG_MS) {
      this.#slowUnlogged += 1;
      return;
    }
    this.#options.log.info({ ...lineOf(exchange, status, tookMs), unlogged: this.#slowUnlogged }, "slow request");
    this.#slowLoggedAt = at;
    this.#slowUnlogged = 0;
  }

  /** Synchronous as far as it can be: what is known already is answered in the tick it was asked in. */
  #answer(exchange: Exchange, endpoint: Endpoint): Result | Promise<Result> {
    const { access } = endpoint;
    if (access === "public") return this.#answerAs(exchange, endpoint, undefined);
    const header = headerOf(exchange.c, "authorization");
    const token = header === undefined ? undefined : bearerOf(header);
    if (token === undefined) return UNAUTHORIZED;
    const known = this.#options.sessions.recall(token);
    if (known !== undefined) return this.#answerAdmitted(exchange, endpoint, known);
    return this.#options.sessions
      .verify(token)
      .then((session) =>
        session === undefined ? UNAUTHORIZED_TOKEN : this.#answerAdmitted(exchange, endpoint, session),
      );
  }

  #answerAdmitted(exchange: Exchange, endpoint: Endpoint, session: Session): Result | Promise<Result> {
    const { access } = endpoint;
    const isAdmitted = access === "session" || session.scopes.some((scope) => scope === "admin" || scope === access);
    if (isAdmitted) return this.#answerAs(exchange, endpoint, session);
    return { code: "forbidden", detail: `This needs a token with the scope \`${access}\`.` };
  }

  #answerAs(exchange: Exchange, endpoint: Endpoint, session: Session | undefined): Result | Promise<Result> {
    const { c, requestId } = exchange;
    let key: string | undefined;
    if (endpoint.idempotent) {
      const read = readKey(headerOf(c, "x-idempotency-key"), headerOf(c, "idempotency-key"));
      if (typeof read !== "string") return read;
      key = read;
    }
    let params: unknown;
    if (endpoint.params !== undefined) {
      const parsed = endpoint.params.safeParse(c.req.param());
      if (!parsed.success) return NOTHING_NAMED_SO;
      params = parsed.data;
    }
    let query: unknown;
    if (endpoint.query !== undefined) {
      const read = readQuery(c, endpoint.query);
      if ("problem" in read) return read.problem;
      query = read.query;
    }
    const request = { session, key, params, query, body: undefined, requestId, context: c };
    if (endpoint.body === undefined) return endpoint.handle(request as AnyRequest);
    return answerWithBody(endpoint, endpoint.body, request as AnyRequest);
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
  return parsed.success ? { query: parsed.data } : { problem: invalid(fieldErrors(schema, query, "parameter")) };
}

const knows = (schema: object, name: string): boolean =>
  "shape" in schema && typeof schema.shape === "object" && schema.shape !== null && Object.hasOwn(schema.shape, name);

async function answerWithBody(
  endpoint: Endpoint,
  spec: NonNullable<Endpoint["body"]>,
  request: AnyRequest,
): Promise<Result> {
  const read = await readJson(request.context, spec.limitBytes ?? BODY_LIMIT_BYTES);
  if ("problem" in read) return read.problem;
  const value = read.value === undefined && spec.optional ? {} : read.value;
  if (value === undefined) return invalidField("body", "is required");
  const parsed = spec.parse === undefined ? parseWith(spec.schema, value) : spec.parse(value);
  if ("body" in parsed) return endpoint.handle({ ...request, body: parsed.body });
  return (await spec.absent?.(value, request.params)) ?? parsed.problem;
}

function parseWith(schema: NonNullable<Endpoint["body"]>["schema"], value: unknown): ParsedBody<unknown> {
  const parsed = safeParse(schema, value);
  return parsed.success ? { body: parsed.data } : { problem: invalid(fieldErrors(schema, value, "field")) };
}

const CLOSE = { Connection: "close" } as const;

function toResponse(answer: Answer, requestId: string, more: Answer["headers"]): Response {
  const headers: Record<string, string> = { "X-Request-Id": requestId, "X-Content-Type-Options": "nosniff" };
  if (answer.contentType !== undefined) headers["Content-Type"] = answer.contentType;
  if (answer.headers === undefined || !("Cache-Control" in answer.headers)) headers["Cache-Control"] = "no-store";
  if (answer.headers !== undefined) Object.assign(headers, answer.headers);
  if (more !== undefined) Object.assign(headers, more);
  return new Response(answer.body as ConstructorParameters<typeof Response>[0], { status: answer.status, headers });
}
