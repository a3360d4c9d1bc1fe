// Tells somebody what became of payments, as Stripe does: signed, at least once, in no order to rely on.
// W1: a delivery is over with a 2xx, after TRIES_MAX, or when too many wait: then the oldest that pauses is given up.
// W2: nothing of it outlives the process: whoever hears nothing can still ask.

import { createHmac } from "node:crypto";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export const TRIES_MAX = 6;
export const FIRST_PAUSE_MS = 1_000;
const ANSWER_MS_MAX = 10_000;
const AT_ONCE_MAX = 16;
export const WAITING_MAX = 10_000;

export interface WebhookTarget {
  readonly url: string;
  /** What the deliveries are signed with. */
  readonly secret: string;
}

export interface WebhookEvent {
  readonly id: string;
  readonly type: string;
  /** As it stands now: written down at once. */
  readonly object: object;
  /** How often it is delivered although it was heard. */
  readonly copies: number;
}

interface Delivery {
  readonly text: string;
  tries: number;
  timer: TimerHandle | undefined;
}

export interface WebhookParts {
  readonly timers: Timers;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly target: WebhookTarget | undefined;
}

/** As the header `Stripe-Signature` has it. */
export function signatureOf(secret: string, text: string, atMs: number): string {
  const at = Math.floor(atMs / 1000);
  return `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${text}`).digest("hex")}`;
}

export class Webhooks {
  readonly counts = { delivered: 0, givenUp: 0 };
  readonly #timers: Timers;
  readonly #now: () => number;
  #target: WebhookTarget | undefined;
  readonly #queue: Delivery[] = [];
  /** In the order of their last try. */
  readonly #pausing = new Set<Delivery>();
  readonly #running = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  constructor({ timers, now, target }: WebhookParts) {
    this.#timers = timers;
    this.#now = now;
    this.#target = target;
  }

  get isWanted(): boolean {
    return this.#target !== undefined;
  }

  get waiting(): number {
    return this.#queue.length + this.#pausing.size + this.#running.size;
  }

  /** From now on; what waits goes there too. Before it, nothing is delivered. */
  sendTo(target: WebhookTarget): void {
    this.#target = target;
  }

  send({ id, type, object, copies }: WebhookEvent): void {
    if (this.#target === undefined || this.#closed.signal.aborted) return;
    const created = Math.floor(this.#now() / 1000);
    const text = JSON.stringify({ id, object: "event", created, livemode: false, type, data: { object } });
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.waiting >= WAITING_MAX) this.#giveUpOldest();
      this.#queue.push({ text, tries: 0, timer: undefined });
    }
    this.#pump();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#queue.length = 0;
    for (const { timer } of this.#pausing) this.#timers.clearTimeout(timer);
    this.#pausing.clear();
    await Promise.allSettled(this.#running);
  }

  #pump(): void {
    while (this.#running.size < AT_ONCE_MAX) {
      const delivery = this.#queue.shift();
      if (delivery === undefined) return;
      const running = this.#deliver(delivery).finally(() => {
        this.#running.delete(running);
        this.#pump();
      });
      this.#running.add(running);
    }
  }

  async #deliver(delivery: Delivery): Promise<void> {
    delivery.tries += 1;
    if (await this.#isHeard(delivery.text)) {
      this.counts.delivered += 1;
      return;
    }
    if (this.#closed.signal.aborted) return;
    if (delivery.tries >= TRIES_MAX) {
      this.counts.givenUp += 1;
      return;
    }
    this.#pausing.add(delivery);
    delivery.timer = this.#timers.setTimeout(
      () => {
        this.#pausing.delete(delivery);
        this.#queue.push(delivery);
        this.#pump();
      },
      FIRST_PAUSE_MS * 2 ** (delivery.tries - 1),
    );
  }

  async #isHeard(text: string): Promise<boolean> {
    const { url, secret } = this.#target as WebhookTarget;
    const late = new AbortController();
    const timer = this.#timers.setTimeout(() => late.abort(), ANSWER_MS_MAX);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json; charset=utf-8",
          "stripe-signature": signatureOf(secret, text, this.#now()),
        },
        body: text,
        signal: AbortSignal.any([late.signal, this.#closed.signal]),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    } finally {
      this.#timers.clearTimeout(timer);
    }
  }

  #giveUpOldest(): void {
    const [oldest] = this.#pausing;
    if (oldest === undefined) this.#queue.shift();
    else {
      this.#timers.clearTimeout(oldest.timer);
      this.#pausing.delete(oldest);
    }
    this.counts.givenUp += 1;
  }
}
