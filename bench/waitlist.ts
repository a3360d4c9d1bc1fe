// The line over real HTTP. First how long it takes from the release of a hold, sent by its holder, until the offer is in
// the hands of the waiter whose long poll is parked, with 10,000 parked polls; then what 50,000 parked polls take.
// Q1: the clock runs from the sending of the release to the arrival of the poll's whole answer: both requests, the turn,
//     its commit with fsync, the wake-up and the fence check of the reading are in it.
// Q2: releases come one at a time every RELEASE_EVERY_MS, as they do in life; each is for one party of two.
// Q3: memory is the resident set of the whole product before and after parking; the waiters are in their lines already.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { type BenchProduct, startBenchProduct } from "./product.ts";

const SHOWS = 20;
const SEATS_PER_HOLD = 2;
const HOLDS_PER_SHOW = 100;
const PARKED = 10_000;
const CROWD = 50_000;
const RELEASE_EVERY_MS = 15;
const WAIT_S = 30;
const AT_ONCE = 200;
/** Connections from one loopback address, at most: it has some 28,000 ports. */
const PER_ADDRESS = 10_000;
const OTHER_FILES = 5_000;
const DAY_MS = 86_400_000;
const SETTLE_MS = 5_000;

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const crowd = Math.min(quick ? 1_000 : CROWD, await raiseOpenFiles());
  if (!quick && crowd < CROWD) print(`only ${crowd} polls: no more open files are allowed here (ulimit -n)`);
  const product = await startBenchProduct({
    PAYMENT_URL: "instant:",
    BOOKING_ATTEMPTS_PER_MIN: "0",
    LOG_LEVEL: "warn",
  });
  try {
    const stage = await Stage.open(product, quick ? 400 : PARKED);
    const latencies = await stage.releaseAll(quick ? 50 : SHOWS * HOLDS_PER_SHOW);
    print(`${latencies.totalCount} offers, ${stage.parked} polls parked at the end`);
    const memory = await stage.fill(crowd);
    print(
      `${stage.parked} parked polls; resident ${memory.beforeMiB} MiB before parking, ${memory.afterMiB} MiB after`,
    );
    stage.close();
    return { figures: [...latencyFigures(latencies), memory.figure] };
  } finally {
    await product.stop();
  }
}

function latencyFigures(latencies: Histogram): Figure[] {
  const percentile = (p: number, more: Partial<Figure> = {}): Figure => ({
    name: `release sent → offer in the parked client's hands, p${p}`,
    value: latencies.getValueAtPercentile(p) / 1000,
    unit: "ms",
    ...more,
  });
  return [percentile(50), percentile(99, { atMost: 50 }), percentile(99.9), percentile(100)];
}

interface Hold {
  readonly showIndex: number;
  readonly lockId: string;
  readonly token: string;
}

/** Somebody in a line, and the connection its long poll is parked on. */
class Waiter {
  readonly #connection: LoadConnection;
  readonly #token: string;
  #id = "";
  #version = 0;
  onOffer: (() => void) | undefined;
  isParked = false;

  constructor(connection: LoadConnection, token: string) {
    this.#connection = connection;
    this.#token = token;
  }

  async join(showId: string): Promise<void> {
    const body = JSON.stringify({ quantity: SEATS_PER_HOLD });
    const headers = `${bearer(this.#token)}X-Idempotency-Key: j\r\n`;
    const answer = await this.#connection.request("POST", `/v1/shows/${showId}/waitlist`, headers, body);
    if (answer.status !== 201) throw new Error(`joining answered ${answer.status}: ${answer.body}`);
    const { waiter_id, version } = JSON.parse(answer.body) as { waiter_id: string; version: number };
    this.#id = waiter_id;
    this.#version = version;
  }

  /** Polls until it is no longer waiting; resolves with its state. Rejects when the connection is lost. */
  async park(): Promise<string> {
    for (;;) {
      this.isParked = true;
      const path = `/v1/waitlist/${this.#id}?wait=${WAIT_S}&after=${this.#version}`;
      const answer = await this.#connection.request("GET", path, bearer(this.#token));
      this.isParked = false;
      if (answer.status !== 200) throw new Error(`a poll answered ${answer.status}: ${answer.body}`);
      const { state, version } = JSON.parse(answer.body) as { state: string; version: number };
      this.#version = version;
      if (state !== "waiting") return state;
    }
  }

  close(): void {
    this.#connection.close();
  }
}

const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`;

class Stage {
  readonly #product: BenchProduct;
  readonly #holds: Hold[] = [];
  readonly #waiters: Waiter[] = [];
  /** Who parked, by show, in the order of joining. */
  readonly #lines: Waiter[][] = Array.from({ length: SHOWS }, () => []);
  #connections = 0;
  #isClosed = false;
  #failure: unknown;

  private constructor(product: BenchProduct) {
    this.#product = product;
  }

  get parked(): number {
    return this.#waiters.filter((waiter) => waiter.isParked).length;
  }

  /** Shows that are held whole, and so many people parked in their lines. */
  static async open(product: BenchProduct, waiters: number): Promise<Stage> {
    const stage = new Stage(product);
    const admin = bearer(await product.adminToken());
    const policies = { hold_ttl_s: 3_600, offer_ttl_s: 3_600 };
    const startsAt = Date.now() + DAY_MS;
    const catalogue = smallCatalogue({ shows: SHOWS, rows: 10, seatsPerRow: 20, startsAt, policies });
    await once(product.url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
    await stage.#inGroups(SHOWS * HOLDS_PER_SHOW, (i) => stage.#hold(i % SHOWS));
    await stage.#gather(waiters);
    for (const waiter of stage.#waiters) stage.#keepParked(waiter);
    return stage;
  }

  async #inGroups(count: number, one: (index: number) => Promise<void>): Promise<void> {
    for (let done = 0; done < count; done += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - done) }, (_, i) => one(done + i)));
    }
  }

  async #connect(): Promise<{ connection: LoadConnection; token: string }> {
    this.#connections += 1;
    const address = `127.0.0.${2 + Math.floor(this.#connections / PER_ADDRESS)}`;
    const connection = await LoadConnection.open(this.#product.url, address);
    const answer = await connection.request("POST", "/v1/sessions", "", "{}");
    return { connection, token: (JSON.parse(answer.body) as { token: string }).token };
  }

  async #hold(showIndex: number): Promise<void> {
    const { connection, token } = await this.#connect();
    const body = JSON.stringify({ showtime_id: smallShowId(showIndex), quantity: SEATS_PER_HOLD });
    const headers = `${bearer(token)}X-Idempotency-Key: h\r\n`;
    const answer = await connection.request("POST", "/v1/bookings/lock", headers, body);
    connection.close();
    if (answer.status !== 201) throw new Error(`a lock answered ${answer.status}: ${answer.body}`);
    this.#holds.push({ showIndex, token, lockId: (JSON.parse(answer.body) as { lock_id: string }).lock_id });
  }

  /** One after the other within a show, so that it is known who is next. */
  async #gather(waiters: number): Promise<void> {
    const people: Waiter[] = [];
    await this.#inGroups(waiters, async () => {
      const { connection, token } = await this.#connect();
      people.push(new Waiter(connection, token));
    });
    const byShow = Array.from({ length: SHOWS }, (_, show) => people.filter((_, i) => i % SHOWS === show));
    await Promise.all(
      byShow.map(async (line, show) => {
        for (const waiter of line) {
          await waiter.join(smallShowId(show));
          this.#lines[show]?.push(waiter);
          this.#waiters.push(waiter);
        }
      }),
    );
  }

  #keepParked(waiter: Waiter): void {
    waiter.park().then(
      () => waiter.onOffer?.(),
      (error: unknown) => {
        if (!this.#isClosed) this.#failure ??= error;
      },
    );
  }

  async #untilParked(count: number): Promise<void> {
    while (this.parked < count) {
      if (this.#failure !== undefined) throw this.#failure;
      await sleepMs(50, systemTimers);
    }
    // Until the polls that are on their way have been read, and what was garbage is gone.
    await sleepMs(SETTLE_MS, systemTimers);
  }

  async releaseAll(count: number): Promise<Histogram> {
    await this.#untilParked(this.#waiters.length);
    const latencies = build({ highestTrackableValue: 60_000_000 });
    const connection = await LoadConnection.open(this.#product.url);
    for (const { showIndex, lockId, token } of this.#holds.slice(0, count)) {
      const next = this.#lines[showIndex]?.shift();
      if (next === undefined) break;
      const sentAt = performance.now();
      const offered = new Promise<void>((resolve) => {
        next.onOffer = () => {
          latencies.recordValue(Math.round((performance.now() - sentAt) * 1000));
          resolve();
        };
      });
      const path = `/v1/bookings/lock/${lockId}`;
      const answer = await connection.request("DELETE", path, `${bearer(token)}X-Idempotency-Key: r\r\n`);
      if (answer.status !== 200) throw new Error(`a release answered ${answer.status}: ${answer.body}`);
      await offered;
      if (this.#failure !== undefined) throw this.#failure;
      await sleepMs(RELEASE_EVERY_MS, systemTimers);
    }
    connection.close();
    return latencies;
  }

  /** Parks so many, and says what one takes of the product's memory. */
  async fill(count: number): Promise<{ figure: Figure; beforeMiB: number; afterMiB: number }> {
    const before = this.#waiters.length;
    await this.#gather(count);
    await sleepMs(SETTLE_MS, systemTimers);
    const bytesBefore = await residentBytes(this.#product.pid);
    const newcomers = this.#waiters.slice(before);
    for (const waiter of newcomers) this.#keepParked(waiter);
    while (newcomers.some((waiter) => !waiter.isParked)) await sleepMs(50, systemTimers);
    await this.#untilParked(newcomers.length);
    const bytesAfter = await residentBytes(this.#product.pid);
    const value = (bytesAfter - bytesBefore) / count;
    return {
      figure: {
        name: `memory of a parked poll, of ${count.toLocaleString("en")}`,
        value,
        unit: "bytes",
        atMost: 20_480,
      },
      beforeMiB: Math.round(bytesBefore / 2 ** 20),
      afterMiB: Math.round(bytesAfter / 2 ** 20),
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters) waiter.close();
  }
}

/** Lets this process, and the product it starts, open as many files as a crowd needs, where it may; answers how many. */
async function raiseOpenFiles(): Promise<number> {
  const wanted = CROWD + PARKED + OTHER_FILES;
  spawnSync("prlimit", ["--pid", String(process.pid), `--nofile=${wanted}:${wanted}`]);
  const limits = await readFile("/proc/self/limits", "utf8");
  return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0) - PARKED - OTHER_FILES;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
}
