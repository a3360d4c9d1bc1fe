// Posts one body to one address, and says what came of it. Decides nothing.
// P1: `timeoutMs` bounds the whole call: finding the address, connecting, sending, the last byte of the answer.
// P2: of an answer's body at most ANSWER_BYTES_MAX are taken from the wire, and none is kept.
// P3: redirects are not followed: the address is the operator's choice, and stays it.
// P4: a kept connection that the peer had closed just before is replaced once, at once.
// P5: `close` ends what is under way; every call settles.

import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { systemCodeOf } from "../../shared/platform/start-fault.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

const ANSWER_BYTES_MAX = 64 * 1024;
/** Unused connections are given up after that. */
const IDLE_MS = 30_000;

export type PostEnd =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly retryAfter: string | undefined;
      /** False where the peer, not we, broke off in the middle of its answer. */
      readonly isComplete: boolean;
    }
  | {
      readonly kind: "unanswered";
      /** Whether there was anybody: a connection, with TLS where the address says so. */
      readonly wasConnected: boolean;
      /** A system error's code, or a few words. Never the address. */
      readonly reason: string;
    };

export interface HttpPosterOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly timeoutMs: number;
  readonly timers: Timers;
}

interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** One request on the wire, until its `close`. */
interface Sending {
  readonly request: ClientRequest;
  readonly end: Promise<PostEnd>;
  breakOff(reason: string): void;
}

export class HttpPoster {
  readonly #url: string;
  readonly #timeoutMs: number;
  readonly #timers: Timers;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #request: typeof httpRequest;
  readonly #live = new Set<Sending>();
  #isClosed = false;

  constructor({ url, connectionsMax, timeoutMs, timers }: HttpPosterOptions) {
    const secure = url.startsWith("https:");
    const limits = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: connectionsMax, timeout: IDLE_MS };
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#timers = timers;
    this.#agent = secure ? new HttpsAgent(limits) : new HttpAgent(limits);
    this.#request = secure ? httpsRequest : httpRequest;
  }

  /** Never rejects. */
  async post(post: Post): Promise<PostEnd> {
    if (this.#isClosed) return { kind: "unanswered", wasConnected: false, reason: "closed" };
    let current = this.#send(post);
    let isLate = false;
    const timer: TimerHandle = this.#timers.setTimeout(() => {
      isLate = true;
      current.breakOff("no answer in time");
    }, this.#timeoutMs);
    try {
      const end = await current.end;
      if (!wasStale(current.request, end) || isLate || this.#isClosed) return end;
      current = this.#send(post);
      return await current.end;
    } finally {
      this.#timers.clearTimeout(timer);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const sending of this.#live) sending.breakOff("closed");
    this.#agent.destroy();
  }

  #send({ headers, body }: Post): Sending {
    const request = this.#request(this.#url, {
      method: "POST",
      headers: { ...headers, "content-length": body.length },
      agent: this.#agent,
    });
    let reason: string | undefined;
    let isOurs = false;
    const breakOff = (why: string): void => {
      isOurs = true;
      reason ??= why;
      request.destroy();
    };
    const end = new Promise<PostEnd>((resolve) => {
      const isConnected = watchConnection(request, this.#agent instanceof HttpsAgent);
      let answer: IncomingMessage | undefined;
      request.on("response", (response) => {
        answer = response;
        takeAtMost(ANSWER_BYTES_MAX, response, () => breakOff("the answer is too long"));
      });
      request.on("error", (error) => {
        reason ??= systemCodeOf(error) ?? "the connection failed";
      });
      request.on("close", () => {
        this.#live.delete(sending);
        if (answer === undefined) {
          resolve({ kind: "unanswered", wasConnected: isConnected(), reason: reason ?? "closed before the answer" });
          return;
        }
        const { statusCode, headers, complete } = answer;
        resolve({
          kind: "answered",
          status: statusCode ?? 0,
          retryAfter: headers["retry-after"],
          isComplete: complete || isOurs,
        });
      });
    });
    const sending: Sending = { request, end, breakOff };
    this.#live.add(sending);
    request.end(body);
    return sending;
  }
}

function takeAtMost(bytesMax: number, response: IncomingMessage, onMore: () => void): void {
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) onMore();
  });
  // What went wrong is told by the request's `close`.
  response.on("error", () => undefined);
}

/** Answers whether there is, or was, a connection. */
function watchConnection(request: ClientRequest, secure: boolean): () => boolean {
  let isConnected = false;
  request.on("socket", (socket: Socket) => {
    if (request.reusedSocket) {
      isConnected = true;
      return;
    }
    socket.once(secure ? "secureConnect" : "connect", () => {
      isConnected = true;
    });
  });
  return () => isConnected;
}

const STALE: readonly string[] = ["ECONNRESET", "EPIPE"];

const wasStale = (request: ClientRequest, end: PostEnd): boolean =>
  request.reusedSocket && end.kind === "unanswered" && STALE.includes(end.reason);
