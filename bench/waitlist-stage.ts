// Shows that are held whole, and people in their lines with long polls parked, over real HTTP.

import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import type { BenchProduct } from "./product.ts";

const SHOWS = 20;
const PARTY = 2;
const HOLDS_PER_SHOW = 100;
const WAIT_S = 30;
const AT_ONCE = 200;
/** Connections from one loopback address, at most: it has some 28,000 ports. */
const PER_ADDRESS = 10_000;
const DAY_MS = 86_400_000;

const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`;

/** Somebody in a line, and the connection its long poll is parked on. */
class Waiter {
  readonly #connection: LoadConnection;
  readonly #token: string;
  #id = "";
  #version = 0;
  /** Hears that it waits no more. */
  onOffer: (() => void) | undefined;
  hasParked = false;

  constructor(connection: LoadConnection, token: string) {
    this.#connection = connection;
    this.#token = token;
  }

  async join(showId: string): Promise<void> {
    const headers = `${bearer(this.#token)}X-Idempotency-Key: j\r\n`;
    const path = `/v1/shows/${showId}/waitlist`;
    const answer = await this.#connection.request("POST", path, headers, JSON.stringify({ quantity: PARTY }));
    if (answer.status !== 201) throw new Error(`joining answered ${answer.status}: ${answer.body}`);
    const { waiter_id, version } = JSON.parse(answer.body) as { waiter_id: string; version: number };
    this.#id = waiter_id;
    this.#version = version;
  }

  /** Polls until it waits no more. Rejects when the connection is lost. */
  async poll(): Promise<void> {
    for (let state = "waiting"; state === "waiting"; ) {
      const path = `/v1/waitlist/${this.#id}?wait=${WAIT_S}&after=${this.#version}`;
      this.hasParked = true;
      const answer = await this.#connection.request("GET", path, bearer(this.#token));
      if (answer.status !== 200) throw new Error(`a poll answered ${answer.status}: ${answer.body}`);
      const entry = JSON.parse(answer.body) as { state: string; version: number };
      this.#version = entry.version;
      state = entry.state;
    }
    this.onOffer?.();
  }
}

interface Hold {
  readonly showIndex: number;
  readonly lockId: string;
  readonly token: string;
}

export class LineStage {
  readonly #url: string;
  readonly #prefix: string;
  readonly #holds: Hold[] = [];
  readonly waiters: Waiter[] = [];
  /** In the order of joining. */
  readonly #lines: Waiter[][] = Array.from({ length: SHOWS }, () => []);
  readonly #connections: LoadConnection[] = [];
  readonly #holder: LoadConnection;
  #isClosed = false;
  #failure: unknown;

  private constructor(url: string, prefix: string, holder: LoadConnection) {
    this.#url = url;
    this.#prefix = prefix;
    this.#holder = holder;
  }

  /** Shows of their own, all their seats held in twos. */
  static async open(product: BenchProduct, prefix: string): Promise<LineStage> {
    const stage = new LineStage(product.url, prefix, await LoadConnection.open(product.url));
    const admin = bearer(await product.adminToken());
    const policies = { hold_ttl_s: 3_600, offer_ttl_s: 3_600 };
    const startsAt = Date.now() + DAY_MS;
    const catalogue = smallCatalogue({ shows: SHOWS, rows: 10, seatsPerRow: 20, startsAt, policies, prefix });
    await once(product.url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
    await stage.#inGroups(SHOWS * HOLDS_PER_SHOW, (i) => stage.#hold(i % SHOWS));
    return stage;
  }

  /** So many join, spread over the shows, on so many connections. */
  async gather(count: number, connections: number): Promise<void> {
    await this.#inGroups(connections, async (i) => {
      const address = `127.0.0.${2 + Math.floor(i / PER_ADDRESS)}`;
      this.#connections.push(await LoadConnection.open(this.#url, address));
    });
    const people: Waiter[] = [];
    await this.#inGroups(count, async (i) => {
      const connection = this.#connections[i % connections] as LoadConnection;
      people.push(new Waiter(connection, await newSession(connection)));
    });
    // One after the other within a show, so that it is known who is next.
    const joinLine = async (line: Waiter[], show: number): Promise<void> => {
      for (let i = show; i < people.length; i += SHOWS) {
        const waiter = people[i] as Waiter;
        await waiter.join(smallShowId(show, this.#prefix));
        line.push(waiter);
      }
    };
    await Promise.all(this.#lines.map(joinLine));
    this.waiters.push(...people);
  }

  /** Resolves once all of them have sent their polls. */
  async park(waiters: readonly Waiter[]): Promise<void> {
    for (const waiter of waiters) {
      waiter.poll().catch((error: unknown) => {
        if (!this.#isClosed) this.#failure ??= error;
      });
    }
    while (waiters.some((waiter) => !waiter.hasParked)) {
      this.#check();
      await sleepMs(50, systemTimers);
    }
  }

  /** Milliseconds from the sending of a release until the head of that show's line has its offer. */
  async releaseNext(): Promise<number> {
    const hold = this.#holds.pop();
    const next = hold && this.#lines[hold.showIndex]?.shift();
    if (hold === undefined || next === undefined) throw new Error("nothing is left to release, or nobody waits");
    const sentAt = performance.now();
    const offeredAfter = new Promise<number>((resolve) => {
      next.onOffer = () => resolve(performance.now() - sentAt);
    });
    const headers = `${bearer(hold.token)}X-Idempotency-Key: r\r\n`;
    const answer = await this.#holder.request("DELETE", `/v1/bookings/lock/${hold.lockId}`, headers);
    if (answer.status !== 200) throw new Error(`a release answered ${answer.status}: ${answer.body}`);
    this.#check();
    return offeredAfter;
  }

  /** As the gateway counts them. */
  async parkedPolls(): Promise<number> {
    const { body } = await this.#holder.request("GET", "/metrics", "");
    return Number(/^usher_parked_polls (\d+)$/m.exec(body)?.[1] ?? Number.NaN);
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [this.#holder, ...this.#connections]) connection.close();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #inGroups(count: number, one: (index: number) => Promise<void>): Promise<void> {
    for (let done = 0; done < count; done += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - done) }, (_, i) => one(done + i)));
    }
  }

  async #hold(showIndex: number): Promise<void> {
    const token = await newSession(this.#holder);
    const body = JSON.stringify({ showtime_id: smallShowId(showIndex, this.#prefix), quantity: PARTY });
    const headers = `${bearer(token)}X-Idempotency-Key: h\r\n`;
    const answer = await this.#holder.request("POST", "/v1/bookings/lock", headers, body);
    if (answer.status !== 201) throw new Error(`a lock answered ${answer.status}: ${answer.body}`);
    this.#holds.push({ showIndex, token, lockId: (JSON.parse(answer.body) as { lock_id: string }).lock_id });
  }
}

async function newSession(connection: LoadConnection): Promise<string> {
  const { body } = await connection.request("POST", "/v1/sessions", "", "{}");
  return (JSON.parse(body) as { token: string }).token;
}
