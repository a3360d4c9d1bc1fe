// The HTTP side of the Stripe client. Its own client times only a socket's silence, so a call that waits for a free
// connection would wait for ever; and it repeats a call after a reset half a second later whatever it is told.
// T1: `timeout` bounds the whole call: waiting for a connection, sending, and the last byte of the answer.
// T2: at most SOCKETS_MAX connections; whoever waits for one is bounded by the caller (see stripe-adapter.ts).
// T3: a kept connection that the peer had closed just before is replaced once, at once. Every call has a key.
// T4: whatever is JSON and has no `error` the client takes for what it asked for, whatever the status: a proxy's 502 would
//     be a refund that was made. Here it is an error of the provider, and so is one that is not in Stripe's form.

import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type Stripe from "stripe";
import { systemCodeOf } from "../../shared/platform/start-fault.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export const SOCKETS_MAX = 256;
const FREE_SOCKETS_MAX = 64;
/** A payment intent has about 3 KiB. */
const ANSWER_BYTES_MAX = 1024 * 1024;

type HttpClient = Stripe.HttpClient;
type HttpAnswer = Stripe.HttpClientResponse;

interface Call {
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string | number | string[]>;
  readonly body: string;
}

interface CallEnd {
  /** Something of an answer came. */
  readonly begun: boolean;
  readonly answer: HttpAnswer | undefined;
  readonly error: unknown;
}

/** What went wrong below HTTP. Its code is none of those the Stripe client repeats by itself. */
class CallError extends Error {
  override readonly name = "CallError";
  readonly code: "ETIMEDOUT" | "ECONNECTION";

  constructor(code: CallError["code"], cause?: unknown) {
    super(code === "ETIMEDOUT" ? "no answer in time" : "the connection failed", { cause });
    this.code = code;
  }
}

export class BoundedHttpClient implements HttpClient {
  readonly #timers: Timers;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #request: typeof httpRequest;
  readonly #live = new Set<ClientRequest>();

  constructor(secure: boolean, timers: Timers) {
    const limits = { keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: FREE_SOCKETS_MAX };
    this.#timers = timers;
    this.#agent = secure ? new HttpsAgent(limits) : new HttpAgent(limits);
    this.#request = secure ? httpsRequest : httpRequest;
  }

  getClientName(): string {
    return "node";
  }

  async makeRequest(
    ...[host, port, path, method, headers, body, , timeout]: Parameters<HttpClient["makeRequest"]>
  ): Promise<HttpAnswer> {
    const call: Call = { host, port, path, method, headers: headers as Call["headers"], body };
    return new Promise((resolve, reject) => {
      const current: { request?: ClientRequest } = {};
      let timer: TimerHandle | undefined = this.#timers.setTimeout(() => {
        timer = undefined;
        current.request?.destroy(new CallError("ETIMEDOUT"));
      }, timeout);
      const settle = (end: CallEnd) => {
        this.#timers.clearTimeout(timer);
        if (end.answer !== undefined) resolve(end.answer);
        else reject(end.error instanceof CallError ? end.error : new CallError("ECONNECTION", end.error));
      };
      current.request = this.#send(call, (end) => {
        const stale = !end.begun && current.request?.reusedSocket === true && wasClosed(end.error);
        if (stale && timer !== undefined) current.request = this.#send(call, settle);
        else settle(end);
      });
    });
  }

  /** Ends what is under way; every call settles. */
  close(): void {
    for (const request of this.#live) request.destroy(new CallError("ECONNECTION"));
    this.#agent.destroy();
  }

  /** Calls back once. */
  #send(call: Call, done: (end: CallEnd) => void): ClientRequest {
    const { host, port, path, method, headers } = call;
    const request = this.#request({ host, port, path, method, headers, agent: this.#agent });
    this.#live.add(request);
    let error: unknown = new Error("closed before the answer");
    let answer: HttpAnswer | undefined;
    let begun = false;
    request.on("response", (response) => {
      begun = true;
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) request.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", (reason) => {
        error = reason;
      });
      response.on("end", () => {
        answer = answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString("utf8"));
      });
    });
    request.on("error", (reason) => {
      error = reason;
    });
    request.on("close", () => {
      this.#live.delete(request);
      done({ begun, answer, error });
    });
    request.end(call.body);
    return request;
  }
}

const wasClosed = (error: unknown): boolean => ["ECONNRESET", "EPIPE"].includes(systemCodeOf(error) ?? "");

const answerOf = (status: number, headers: IncomingHttpHeaders, body: string): HttpAnswer => ({
  getStatusCode: () => status,
  getHeaders: () => headers as Record<string, string>,
  getRawResponse: () => ({}),
  toStream: () => {
    throw new Error("answers are not streamed");
  },
  toJSON: async () => verdictIn(status, JSON.parse(body)),
});

/** T4. */
function verdictIn(status: number, json: unknown): unknown {
  const error = typeof json === "object" && json !== null && "error" in json ? json.error : undefined;
  const isVerdict =
    error === undefined
      ? status >= 200 && status <= 299
      : typeof error === "object" && error !== null && "type" in error && typeof error.type === "string";
  return isVerdict ? json : { error: { type: "api_error", message: `status ${status} without a word of Stripe's` } };
}
