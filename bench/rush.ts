// The rush: 5,000 people, each on a connection of their own, ask at once for seats of one 200-seat show, and go on
// asking until they have theirs or hear that there are none. Counts who got what, and how fast the others were told.

import { build } from "hdr-histogram-js";
import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import type { BenchOptions, BenchResult } from "./bench.ts";
import { startBenchProduct } from "./product.ts";

const PEOPLE = 5_000;
const SEATS = 200;
const TRIES = 8;
const CONNECTING_AT_ONCE = 200;
const DAY_MS = 86_400_000;

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const people = quick ? 500 : PEOPLE;
  const product = await startBenchProduct({
    PAYMENT_URL: "instant:",
    BOOKING_ATTEMPTS_PER_MIN: "0",
    LOG_LEVEL: "warn",
  });
  try {
    const admin = `Authorization: Bearer ${await product.adminToken()}\r\n`;
    const catalogue = smallCatalogue({ shows: 1, rows: 10, seatsPerRow: 20, startsAt: Date.now() + DAY_MS });
    await once(product.url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
    const crowd = await gather(product.url, people);
    const rush = new Rush();
    const startedAt = performance.now();
    await Promise.all(crowd.map((person, i) => rush.tryToBuy(person, i)));
    const seconds = (performance.now() - startedAt) / 1000;
    for (const { connection } of crowd) connection.close();
    print(`answers by status and code: ${JSON.stringify(Object.fromEntries(rush.answers))}`);
    const refusalsPerSecond = rush.refused / seconds;
    return {
      figures: [
        { name: "seats given out", value: rush.seats.size, unit: "seats", atLeast: SEATS },
        { name: "seats given to two", value: rush.doubles, unit: "seats", atMost: 0 },
        { name: "refusals", value: refusalsPerSecond, unit: "/s", atLeast: 15_000 },
        { name: "answer, p50", value: rush.latencies.getValueAtPercentile(50) / 1000, unit: "ms" },
        { name: "answer, p99", value: rush.latencies.getValueAtPercentile(99) / 1000, unit: "ms", atMost: 100 },
      ],
    };
  } finally {
    await product.stop();
  }
}

interface Person {
  readonly connection: LoadConnection;
  readonly token: string;
}

async function gather(url: string, people: number): Promise<Person[]> {
  const crowd: Person[] = [];
  while (crowd.length < people) {
    const group = Array.from({ length: Math.min(CONNECTING_AT_ONCE, people - crowd.length) }, async () => {
      const connection = await LoadConnection.open(url);
      const { body } = await connection.request("POST", "/v1/sessions", "", "{}");
      return { connection, token: (JSON.parse(body) as { token: string }).token };
    });
    crowd.push(...(await Promise.all(group)));
  }
  return crowd;
}

class Rush {
  readonly seats = new Set<string>();
  readonly answers = new Map<string, number>();
  readonly latencies = build({ highestTrackableValue: 60_000_000 });
  doubles = 0;
  refused = 0;

  /** Asks for one seat until it has one, at most TRIES times: whoever is refused tries again at once. */
  async tryToBuy({ connection, token }: Person, person: number): Promise<void> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const askedAt = performance.now();
      const headers = `Authorization: Bearer ${token}\r\nX-Idempotency-Key: p${person}-${attempt}\r\n`;
      const body = `{"showtime_id":"${smallShowId(0)}","quantity":1}`;
      const answer = await connection.request("POST", "/v1/bookings/lock", headers, body);
      this.latencies.recordValue(Math.round((performance.now() - askedAt) * 1000));
      const parsed = JSON.parse(answer.body) as { seats?: string[]; code?: string };
      const what = `${answer.status} ${parsed.code ?? "held"}`;
      this.answers.set(what, (this.answers.get(what) ?? 0) + 1);
      if (answer.status === 201) return this.#take(parsed.seats ?? []);
      this.refused += 1;
    }
  }

  #take(seats: readonly string[]): void {
    for (const seat of seats) {
      if (this.seats.has(seat)) this.doubles += 1;
      this.seats.add(seat);
    }
  }
}
