// A client that is not put off: it repeats what was not answered, with its key, also to a product that was started anew.
// C1: it repeats exactly what a client may: what got no answer, and what was answered with a retryable 503.
// C2: one request at a time.
// C3: it gives up after ANSWER_MAX_MS, and says so by throwing.

import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { type HttpAnswer, LoadConnection } from "../harness/http-client.ts";

const ANSWER_MAX_MS = 300_000;
const PAUSE_MS = 25;
/** However long it is told to wait: the product is back long before. */
const PAUSE_MAX_MS = 500;

export interface Step {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  /** Absent where none is needed: reads and sessions. */
  readonly key?: string;
  readonly body?: object;
}

/** Members the tests read; which of them are there depends on the answer. */
export interface AnswerBody {
  readonly code: string;
  readonly retryable: boolean;
  readonly retry_after_s: number;
  readonly token: string;
  readonly lock_id: string;
  readonly showtime_id: string;
  readonly status: string;
  readonly booking_status: string;
  readonly reason: string | null;
  readonly version: number;
  readonly seats: readonly string[];
  readonly total: number;
  readonly waiter_id: string;
  readonly state: string;
}

export interface Answer {
  readonly status: number;
  readonly body: AnswerBody;
  readonly text: string;
}

export interface Repeats {
  unanswered: number;
  /** By code. */
  readonly refused: Record<string, number>;
}

export class StubbornClient {
  readonly #url: () => Promise<string>;
  readonly #repeats: Repeats;
  #authorization = "";
  #connection: LoadConnection | undefined;

  constructor(url: () => Promise<string>, repeats: Repeats) {
    this.#url = url;
    this.#repeats = repeats;
  }

  /** From now on it is somebody new. */
  async newSession(): Promise<void> {
    this.#authorization = "";
    const { body } = await this.ask({ method: "POST", path: "/v1/sessions", body: {} });
    this.#authorization = `Authorization: Bearer ${body.token}\r\n`;
  }

  /** The same session on a connection of its own. */
  twin(): StubbornClient {
    const twin = new StubbornClient(this.#url, this.#repeats);
    twin.#authorization = this.#authorization;
    return twin;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** The answer, sooner or later. */
  async ask(step: Step): Promise<Answer> {
    const endsAt = performance.now() + ANSWER_MAX_MS;
    for (;;) {
      const answer = await this.#try(step);
      if (answer !== undefined && !(answer.status === 503 && answer.body.retryable)) return answer;
      if (performance.now() > endsAt) throw new Error(`${step.method} ${step.path} is never answered: ${answer?.text}`);
      await sleepMs(this.#note(answer), systemTimers);
    }
  }

  /** How long to wait before it is asked again. */
  #note(answer: Answer | undefined): number {
    if (answer === undefined) {
      this.#repeats.unanswered += 1;
      return PAUSE_MS;
    }
    const { code, retry_after_s } = answer.body;
    this.#repeats.refused[code] = (this.#repeats.refused[code] ?? 0) + 1;
    return Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MS, (retry_after_s ?? 0) * 1000));
  }

  async #try({ method, path, key, body }: Step): Promise<Answer | undefined> {
    const url = await this.#url();
    const keyLine = key === undefined ? "" : `X-Idempotency-Key: ${key}\r\n`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    let answer: HttpAnswer;
    try {
      this.#connection ??= await LoadConnection.open(url);
      answer = await this.#connection.request(method, path, `${this.#authorization}${keyLine}`, text);
    } catch {
      // The connection died with the product, or there was nobody yet.
      this.close();
      return undefined;
    }
    return { status: answer.status, body: JSON.parse(answer.body) as AnswerBody, text: answer.body };
  }
}
