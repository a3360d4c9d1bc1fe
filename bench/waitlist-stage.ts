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
/** What a client does that is told to ask again. */
const RETRY_MS = 1_000;
/** 5,000 come in a second. */
const PARK_PAUSE_MS = 40;
const DAY_MS = 86_400_000;

const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`;

/** Somebody in a line. */
class Waiter {
  readonly #token: string;
  #id = "";
  #version = 0;
  /** Hears that it waits no more. */
  onOffer: (() => void) | undefined;

  constructor(token: string) {
    this.#token = token;
  }

  async join(connection: LoadConnection, showId: string): Promise<void> {
    const headers = `${bearer(this.#token)}X-Idempotency-Key: j\r\n`;
    const path = `/v1/shows/${showId}/waitlist`;
    const answer = await connection.request("POST", path, headers, JSON.stringify({ quantity: PARTY }));
    if (answer.status !== 201) throw new Error(`joining answered ${answer.status}: ${answer.body}`);
    const { waiter_id, version } = JSON.parse(answer.body) as { waiter_id: string; version: number };
    this.#id = waiter_id;
    this.#version = version;
  }

  /** Polls until it waits no more. Rejects when the connection is lost. */
  async poll(connection: LoadConnection): Promise<void> {
    for (let state = "waiting"; state === "waiting"; ) {
      const path = `/v1/waitlist/${this.#id}?wait=${WAIT_S}&after=${this.#version}`;
      const answer = await connection.request("GET", path, bearer(this.#token));
      if (answer.status === 503) {
        await sleepMs(RETRY_MS, systemTimers);
        continue;
      }
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
  /** What polls are parked on: as soon as one is open it is used, an idle one would be closed. */
  readonly #connections: LoadConnection[] = [];
  #failure: unknown;

  private constructor(url: string, prefix: string) {
    this.#url = url;
    this.#prefix = prefix;
  }

  /** Shows of their own, all their seats held in twos. */
  static async open(product: Pick<BenchProduct, "url" | "adminToken">, prefix: string): Promise<LineStage> {
    const stage = new LineStage(product.url, prefix);
    const admin = bearer(await product.adminToken());
    const policies = { hold_ttl_s: 3_600, offer_ttl_s: 3_600 };
    const startsAt = Date.now() + DAY_MS;
    const catalogue = smallCatalogue({ shows: SHOWS, rows: 10, seatsPerRow: 20, startsAt, policies, prefix });
    await once(product.url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
    const holder = await LoadConnection.open(product.url);
    await stage.#inGroups(SHOWS * HOLDS_PER_SHOW, (i) => stage.#hold(holder, i % SHOWS));
    holder.close();
    return stage;
  }

  /** So many join, spread over the shows. */
  async gather(count: number): Promise<void> {
    const doors = await Promise.all(this.#lines.map(() => LoadConnection.open(this.#url)));
    // One after the other within a show, so that it is known who is next.
    const joinLine = async (line: Waiter[], show: number): Promise<void> => {
      const door = doors[show] as LoadConnection;
      for (let i = show; i < count; i += SHOWS) {
        const waiter = new Waiter(await newSession(door));
        await waiter.join(door, smallShowId(show, this.#prefix));
        line.push(waiter);
        this.waiters.push(waiter);
      }
    };
    await Promise.all(this.#lines.map(joinLine));
    for (const door of doors) door.close();
  }

  /** Parks their polls, on so many connections in all. Resolves once all have sent them. */
  async park(waiters: readonly Waiter[], connections: number): Promise<void> {
    let next = 0;
    await this.#inGroups(waiters.length, async (i) => {
      if (i % AT_ONCE === 0) await sleepMs(PARK_PAUSE_MS, systemTimers);
      const waiter = waiters[i] as Waiter;
      const connection = await this.#connection(next++, connections);
      waiter.poll(connection).catch((error: unknown) => {
        this.#failure ??= error;
      });
      this.#check();
    });
  }

  async #connection(poll: number, connections: number): Promise<LoadConnection> {
    if (this.#connections.length >= connections) return this.#connections[poll % connections] as LoadConnection;
    const address = `127.0.0.${2 + Math.floor(this.#connections.length / PER_ADDRESS)}`;
    const connection = await LoadConnection.open(this.#url, address);
    this.#connections.push(connection);
    return connection;
  }

  get showIds(): string[] {
    return this.#lines.map((_, show) => smallShowId(show, this.#prefix));
  }

  /** Milliseconds from the sending of a release, by `holder`, until the head of that show's line has its offer. */
  releaseNext(holder: LoadConnection): Promise<number> {
    return this.#freeNext(async ({ token, lockId }) => {
      const headers = `${bearer(token)}X-Idempotency-Key: r\r\n`;
      const answer = await holder.request("DELETE", `/v1/bookings/lock/${lockId}`, headers);
      if (answer.status !== 200) throw new Error(`a release answered ${answer.status}: ${answer.body}`);
    });
  }

  /** The same from the sending of a confirm whose payment is declined. */
  declineNext(holder: LoadConnection): Promise<number> {
    return this.#freeNext(async ({ token, lockId }) => {
      const headers = `${bearer(token)}X-Idempotency-Key: d\r\n`;
      const body = JSON.stringify({ lock_id: lockId, payment_token: "pm_card_chargeDeclined" });
      const answer = await holder.request("POST", "/v1/bookings/confirm", headers, body);
      if (answer.status !== 402) throw new Error(`a declined confirm answered ${answer.status}: ${answer.body}`);
    });
  }

  async #freeNext(free: (hold: Hold) => Promise<void>): Promise<number> {
    const hold = this.#holds.pop();
    const next = hold && this.#lines[hold.showIndex]?.shift();
    if (hold === undefined || next === undefined) throw new Error("nothing is left to give up, or nobody waits");
    const sentAt = performance.now();
    const offeredAfter = new Promise<number>((resolve) => {
      next.onOffer = () => resolve(performance.now() - sentAt);
    });
    await free(hold);
    this.#check();
    return offeredAfter;
  }

  /** As the gateway counts them. */
  async parkedPolls(): Promise<number> {
    const connection = await LoadConnection.open(this.#url);
    const { body } = await connection.request("GET", "/metrics", "");
    connection.close();
    return Number(/^usher_parked_polls (\d+)$/m.exec(body)?.[1] ?? Number.NaN);
  }

  /** Closes what polls are parked on; whoever waits may be parked again. */
  close(): void {
    for (const connection of this.#connections.splice(0)) connection.close();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #inGroups(count: number, one: (index: number) => Promise<void>): Promise<void> {
    for (let done = 0; done < count; done += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - done) }, (_, i) => one(done + i)));
    }
  }

  async #hold(holder: LoadConnection, showIndex: number): Promise<void> {
    const token = await newSession(holder);
    const body = JSON.stringify({ showtime_id: smallShowId(showIndex, this.#prefix), quantity: PARTY });
    const headers = `${bearer(token)}X-Idempotency-Key: h\r\n`;
    const answer = await holder.request("POST", "/v1/bookings/lock", headers, body);
    if (answer.status !== 201) throw new Error(`a lock answered ${answer.status}: ${answer.body}`);
    this.#holds.push({ showIndex, token, lockId: (JSON.parse(answer.body) as { lock_id: string }).lock_id });
  }
}

async function newSession(connection: LoadConnection): Promise<string> {
  const { body } = await connection.request("POST", "/v1/sessions", "", "{}");
  return (JSON.parse(body) as { token: string }).token;
}
