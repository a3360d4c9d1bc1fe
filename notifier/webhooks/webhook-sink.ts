// Tells one endpoint the news, one news a request, and hears from it what is safe.
// W1: of a show a news is sent when the one before it is safe, or given up. Its id is the same in every attempt.
// W2: what an endpoint has not taken stays in the log: nothing is kept here but a count of refusals (RefusedNews).
// W3: an endpoint in trouble is asked seldom (Gate), and keeps no other one waiting: each has its own.
// W4: no address, user, password or secret is logged; `sink` and `host` name the endpoint.

import type { Log } from "../../shared/platform/log.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import type { News, NewsSink, NewsType } from "../../shared/protocol/show-news.ts";
import type { Endpoint } from "./endpoint.ts";
import { Gate, REQUESTS_MAX } from "./gate.ts";
import { HttpPoster } from "./http-poster.ts";
import type { EndpointMeters, MetersOf } from "./metrics.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { RefusedNews } from "./refused-news.ts";
import { signatureOf } from "./signature.ts";

const TIMEOUT_MS = 10_000;
/**
 * After so long no further news of a show is begun: what is safe by then is answered. With the gate's wait and one more
 * request a call ends within 30 s.
 */
const TELL_MAX_MS = 10_000;

export interface WebhookSinkOptions {
  readonly endpoint: Endpoint;
  /** Each signs. */
  readonly keys: readonly Uint8Array[];
  readonly types: readonly NewsType[];
  readonly giveUpMs: number;
  /** Milliseconds since 1970: signed, and what the age of a news is judged by. */
  readonly now: () => number;
  readonly timers: Timers;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metersOf: MetersOf;
  /** For one request, to its answer's last byte; default 10 s. */
  readonly timeoutMs?: number;
}

/** Why nothing was safe. */
class NotSafe extends Error {
  override readonly name = "NotSafe";
}

export class WebhookSink implements NewsSink {
  readonly name: string;
  readonly #options: WebhookSinkOptions;
  readonly #types: ReadonlySet<NewsType>;
  readonly #gate: Gate;
  readonly #poster: HttpPoster;
  readonly #refused: RefusedNews;
  readonly #meters: EndpointMeters;
  readonly #log: Log;
  readonly #underWay = new Set<Promise<number>>();
  #isClosed = false;
  #isInTrouble = false;

  constructor(options: WebhookSinkOptions) {
    const { endpoint, timers, random, timeoutMs = TIMEOUT_MS } = options;
    this.name = endpoint.name;
    this.#options = options;
    this.#types = new Set(options.types);
    this.#gate = new Gate({ timers, random });
    this.#poster = new HttpPoster({ url: endpoint.url, connectionsMax: REQUESTS_MAX, timeoutMs, timers });
    this.#refused = new RefusedNews(options.giveUpMs);
    this.#meters = options.metersOf(endpoint, () => this.#gate.isPaused);
    this.#log = options.log.child({ sink: endpoint.name, host: endpoint.host });
  }

  wants(type: NewsType): boolean {
    return this.#types.has(type);
  }

  tell(news: readonly News[]): Promise<number> {
    const told = this.#tell(news);
    this.#underWay.add(told);
    const done = (): void => void this.#underWay.delete(told);
    told.then(done, done);
    return told;
  }

  /** Breaks off what is under way, and answers when it has ended. Nothing is told any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#gate.close();
    this.#poster.close();
    await Promise.allSettled(this.#underWay);
  }

  async #tell(news: readonly News[]): Promise<number> {
    const { now } = this.#options;
    const until = now() + TELL_MAX_MS;
    let safe = 0;
    for (const each of news) {
      if (safe > 0 && now() >= until) break;
      const problem = await this.#deliver(each);
      if (problem !== undefined) {
        if (safe === 0) throw new NotSafe(problem);
        break;
      }
      safe++;
    }
    return safe;
  }

  /** Why it is not safe, or `undefined`: it is, or it was given up. */
  async #deliver(news: News): Promise<string | undefined> {
    if (!(await this.#gate.enter())) return this.#isClosed ? "closed" : "the endpoint is paused or busy";
    const { outcome, pauseMs } = await this.#attempt(news);
    if (outcome.kind === "safe") {
      this.#refused.safe(news);
      if (this.#isInTrouble) this.#log.info("webhook: the endpoint takes news again");
      this.#isInTrouble = false;
      return undefined;
    }
    // It was broken off here.
    if (this.#isClosed) return "closed";
    if (pauseMs !== undefined) this.#logPause(outcome, pauseMs);
    return outcome.kind === "refused" && this.#givesUp(news, outcome.reason) ? undefined : outcome.reason;
  }

  /** Inside the gate. */
  async #attempt(news: News): Promise<{ readonly outcome: Outcome; readonly pauseMs: number | undefined }> {
    const { now } = this.#options;
    const begunAt = now();
    let outcome: Outcome = { kind: "refused", reason: "it could not be sent" };
    let pauseMs: number | undefined;
    try {
      const end = await this.#post(news, begunAt);
      outcome = outcomeOf(end, now());
    } finally {
      pauseMs = this.#gate.leave(news.data.show_id, outcome);
    }
    if (!this.#isClosed || outcome.kind === "safe") this.#meters.attempted(outcome.kind, Math.max(0, now() - begunAt));
    return { outcome, pauseMs };
  }

  #post(news: News, at: number): ReturnType<HttpPoster["post"]> {
    const { endpoint, keys } = this.#options;
    const body = Buffer.from(JSON.stringify(news));
    const timestampS = Math.floor(at / 1000);
    return this.#poster.post({
      headers: {
        "content-type": "application/cloudevents+json",
        "user-agent": "usher",
        "webhook-id": news.id,
        "webhook-timestamp": String(timestampS),
        "webhook-signature": signatureOf(keys, { id: news.id, timestampS, body }),
        ...(endpoint.authorization === undefined ? {} : { authorization: endpoint.authorization }),
      },
      body,
    });
  }

  #givesUp(news: News, reason: string): boolean {
    const { id, type, time } = news;
    const facts = { news: id, type, time, reason };
    const { attempts, isGivenUp } = this.#refused.refused(news, this.#options.now());
    if (isGivenUp) {
      this.#meters.gaveUp();
      this.#log.error(facts, "webhook: given up, its endpoint refuses it");
    } else if (attempts === 1 && !this.#isInTrouble) {
      this.#log.warn(facts, "webhook: refused, will be told again");
    }
    return isGivenUp;
  }

  /** The first pause of many, and each time it says it is gone. */
  #logPause({ kind, reason }: Exclude<Outcome, { kind: "safe" }>, pauseMs: number): void {
    const facts = { reason, pause_ms: pauseMs };
    if (kind === "gone") {
      this.#log.error(facts, "webhook: the endpoint says it is gone; take it out of WEBHOOK_URLS if that is so");
    } else if (!this.#isInTrouble) {
      this.#log.warn(facts, "webhook: the endpoint is in trouble, its news waits");
    } else {
      this.#log.debug(facts, "webhook: the endpoint is still in trouble");
    }
    this.#isInTrouble = true;
  }
}
