// A client of several gateways that is not put off: what was not answered it asks again with its key, of another gateway
// when one is gone; and it keeps the times that a proof needs.
// K1: it repeats exactly what a client may: what got no answer, and what was answered with a retryable 503.
//     A gateway that has nothing but 503s is left after a few, as one is that is gone.
// K2: one request at a time. A gateway that says nothing for SILENCE_MAX_MS is a problem, and is left.
// K3: it gives up after ANSWER_MAX_MS, and says so by throwing.

import { sleepMs, systemTimers, within } from "../../shared/platform/timers.ts";
import { type HttpAnswer, LoadConnection } from "../harness/http-client.ts";
import type { Answer, AnswerBody, Step } from "./payment-client.ts";

/** A gateway answers within 8 s, or 5 s after a poll's wait; the machine may be slow. */
const SILENCE_MAX_MS = 40_000;
const ANSWER_MAX_MS = 120_000;
const REFUSALS_MAX = 5;
const PAUSE_MS = 25;
/** However long it is told to wait: faults are mended before. */
const PAUSE_MAX_MS = 250;

/** In milliseconds of this process. */
export interface Heard extends Answer {
  /** Of the first attempt: from then on it may have taken effect. */
  readonly firstSentAt: number;
  /** Of the attempt that was answered. */
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Which gateway has answered. */
  readonly door: string;
}

/** What all clients share. */
export interface Doors {
  /** Gateways that answer now; where to find each. */
  urls(): readonly string[];
  readonly problems: string[];
  /** The test has failed: nobody is waited for any more. */
  isGivenUp: boolean;
  /** Attempts that brought nothing, by why. */
  readonly repeats: Record<string, number>;
}

export class ClusterClient {
  readonly #doors: Doors;
  /** Which of the gateways, by count: another one after each loss. */
  #door: number;
  #connection: { readonly url: string; readonly line: LoadConnection } | undefined;
  #authorization = "";
  #keys = 0;

  constructor(doors: Doors, door: number) {
    this.#doors = doors;
    this.#door = door;
  }

  /** From now on it is somebody new. */
  async newSession(): Promise<void> {
    this.#authorization = "";
    const { body } = await this.ask({ method: "POST", path: "/v1/sessions", body: {} });
    this.#authorization = `Authorization: Bearer ${body.token}\r\n`;
  }

  close(): void {
    this.#connection?.line.close();
    this.#connection = undefined;
  }

  /** A mutation, with a key of its own. */
  command(method: "POST" | "DELETE", path: string, body?: object): Promise<Heard> {
    this.#keys += 1;
    const step = { method, path, key: `k${this.#keys}` };
    return this.ask(body === undefined ? step : { ...step, body });
  }

  read(path: string): Promise<Heard> {
    return this.ask({ method: "GET", path });
  }

  async ask(step: Step): Promise<Heard> {
    const firstSentAt = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const sentAt = performance.now();
      const answer = await this.#try(step);
      const answeredAt = performance.now();
      const door = this.#connection?.url ?? "";
      if (answer !== undefined && !(answer.status === 503 && answer.body.retryable)) {
        return { ...answer, firstSentAt, sentAt, answeredAt, door };
      }
      if (answer === undefined || attempt % REFUSALS_MAX === 0) this.#leave();
      if (this.#doors.isGivenUp) throw new Error("the test has given up");
      const why = answer?.body.code ?? "unanswered";
      this.#doors.repeats[why] = (this.#doors.repeats[why] ?? 0) + 1;
      if (answeredAt - firstSentAt > ANSWER_MAX_MS)
        throw new Error(`${step.method} ${step.path} is never answered: ${why}`);
      const pauseMs = Math.max(PAUSE_MS, (answer?.body.retry_after_s ?? 0) * 1000);
      await sleepMs(Math.min(PAUSE_MAX_MS, pauseMs), systemTimers);
    }
  }

  async #try({ method, path, key, body }: Step): Promise<Answer | undefined> {
    const keyLine = key === undefined ? "" : `X-Idempotency-Key: ${key}\r\n`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    let answer: HttpAnswer | undefined;
    try {
      const { line, url } = await this.#connect();
      const asked = line.request(method, path, `${this.#authorization}${keyLine}`, text);
      answer = await within(asked, SILENCE_MAX_MS, () => undefined, systemTimers);
      if (answer === undefined) this.#doors.problems.push(`${url} says nothing to ${method} ${path}`);
    } catch {
      // It died with the gateway, or there was nobody yet.
    }
    if (answer !== undefined) {
      return { status: answer.status, body: JSON.parse(answer.body) as AnswerBody, text: answer.body };
    }
    return undefined;
  }

  #leave(): void {
    this.close();
    this.#door += 1;
  }

  async #connect(): Promise<{ readonly url: string; readonly line: LoadConnection }> {
    const urls = this.#doors.urls();
    const url = urls[this.#door % urls.length];
    if (this.#connection === undefined) {
      if (url === undefined) throw new Error("there is no gateway");
      this.#connection = { url, line: await LoadConnection.open(url) };
    }
    return this.#connection;
  }
}
