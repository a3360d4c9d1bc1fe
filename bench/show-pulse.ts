// Somebody at each of many shows who locks a seat at fixed times and gives it back, on a connection of their own, and
// notes when the answers came.

import type { ShowId } from "../shared/kernel/ids.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { type HttpAnswer, LoadConnection, once } from "../test/harness/http-client.ts";
import { bearer, codeOf } from "./shop.ts";

export interface PulseOptions {
  readonly urls: readonly string[];
  readonly showIds: readonly ShowId[];
  /** Each show's, from one lock to the next; those of all shows are spread over it. */
  readonly periodMs: number;
}

interface Beat {
  readonly connection: LoadConnection;
  readonly token: string;
  /** When the answers to its locks came, ascending. */
  answeredAt: number[];
}

export class ShowPulse {
  readonly #options: PulseOptions;
  readonly #beats = new Map<ShowId, Beat>();
  readonly #failures = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();
  #sent = 0;
  #isStopped = false;

  private constructor(options: PulseOptions) {
    this.#options = options;
  }

  static async start(options: PulseOptions): Promise<ShowPulse> {
    const pulse = new ShowPulse(options);
    const { urls, showIds, periodMs } = options;
    for (const [i, showId] of showIds.entries()) {
      const url = urls[i % urls.length] as string;
      const { token } = (await once(url, "POST", "/v1/sessions", "", "{}")) as { token: string };
      pulse.#beats.set(showId, { connection: await LoadConnection.open(url), token, answeredAt: [] });
    }
    const startedAt = performance.now();
    pulse.#running = Promise.all(
      showIds.map((showId, i) => pulse.#run(showId, startedAt + (i * periodMs) / showIds.length)),
    );
    // A lost connection ends it; whoever stops hears of it.
    pulse.#running.catch(() => undefined);
    return pulse;
  }

  get showIds(): readonly ShowId[] {
    return this.#options.showIds;
  }

  sent(): number {
    return this.#sent;
  }

  failed(): number {
    return [...this.#failures.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What failed and how often; empty when nothing did. */
  failures(): string {
    return [...this.#failures].map(([what, count]) => `${count} × ${what}`).join(", ");
  }

  /** What was noted until now. */
  forget(): void {
    for (const beat of this.#beats.values()) beat.answeredAt = [];
    this.#failures.clear();
    this.#sent = 0;
  }

  /** Of each show: its longest time between two answers that ends in the window, less its usual one; milliseconds. */
  pausesOf(showIds: readonly ShowId[], from: number, to: number): number[] {
    const { periodMs } = this.#options;
    return showIds.map((showId) => {
      const { answeredAt } = this.#beats.get(showId) as Beat;
      let longest = 0;
      for (const [i, at] of answeredAt.entries()) {
        if (i === 0 || at < from || at > to) continue;
        longest = Math.max(longest, at - (answeredAt[i - 1] as number));
      }
      return Math.max(0, longest - periodMs);
    });
  }

  /** Rejects with what ended it early. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    for (const { connection } of this.#beats.values()) connection.close();
  }

  async #run(showId: ShowId, firstAt: number): Promise<void> {
    const { periodMs } = this.#options;
    const beat = this.#beats.get(showId) as Beat;
    const body = JSON.stringify({ showtime_id: showId, quantity: 1 });
    for (let turn = 0, at = firstAt; !this.#isStopped; turn += 1) {
      await sleepMs(Math.max(0, at - performance.now()), systemTimers);
      await this.#lockAndRelease(beat, turn, body);
      // What is late is not made up for: the next one is at its time.
      do at += periodMs;
      while (at < performance.now());
    }
  }

  async #lockAndRelease(beat: Beat, turn: number, body: string): Promise<void> {
    const { connection, token } = beat;
    const headers = (what: string): string => `${bearer(token)}X-Idempotency-Key: ${what}${turn}\r\n`;
    this.#sent += 1;
    const lock = await connection.request("POST", "/v1/bookings/lock", headers("l"), body);
    beat.answeredAt.push(performance.now());
    if (lock.status !== 201) return this.#fail("lock", lock);
    const { lock_id } = JSON.parse(lock.body) as { lock_id: string };
    this.#sent += 1;
    const release = await connection.request("DELETE", `/v1/bookings/lock/${lock_id}`, headers("r"));
    if (release.status !== 200) this.#fail("release", release);
  }

  #fail(what: string, { status, body }: HttpAnswer): void {
    const failure = `${what} ${status} ${codeOf(body)}`;
    this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
  }
}
