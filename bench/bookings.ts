// Full bookings over HTTP in a closed loop: lock two seats, pay, confirm; 2,000 shows of 200 seats; everything (product,
// store with fsync, load) on one machine. Once with instant payments, once with the payment simulator over HTTP.

import { build, type Histogram } from "hdr-histogram-js";
import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { LoadConnection, once } from "../test/harness/http-client.ts";
import { type BenchOptions, type BenchResult, type Figure, median } from "./bench.ts";
import { type BenchProduct, startBenchProduct } from "./product.ts";

const SHOWS = 2_000;
const CONNECTIONS = 128;
const SESSIONS = 512;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 3_000;
const DAY_MS = 86_400_000;

export async function run({ quick, print }: BenchOptions): Promise<BenchResult> {
  const instant = await measure("instant payments", { PAYMENT_URL: "instant:" }, quick, print);
  const simulator = await measure("payment simulator over HTTP", {}, quick, print);
  return { figures: [...instant, ...simulator] };
}

async function measure(
  name: string,
  environment: Record<string, string>,
  quick: boolean,
  print: (line: string) => void,
): Promise<Figure[]> {
  const product = await startBenchProduct({ ...environment, BOOKING_ATTEMPTS_PER_MIN: "0", LOG_LEVEL: "warn" });
  try {
    const tokens = await prepare(product);
    const load = new Load(product.url, tokens);
    await load.round(quick ? 200 : WARM_UP_MS);
    const latencies = build({ highestTrackableValue: 60_000_000 });
    const rates: number[] = [];
    for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
      const { rate, failures } = await load.round(quick ? 500 : ROUND_MS, latencies);
      rates.push(rate);
      print(
        `${name}, round ${round + 1}: ${Math.round(rate)} bookings/s${failures === "" ? "" : `, refused ${failures}`}`,
      );
    }
    return figuresOf(name, rates, latencies);
  } finally {
    await product.stop();
  }
}

function figuresOf(name: string, rates: readonly number[], latencies: Histogram): Figure[] {
  const percentile = (p: number): Figure => ({
    name: `${name}: lock to booked, p${p}`,
    value: latencies.getValueAtPercentile(p) / 1000,
    unit: "ms",
  });
  const rate: Figure = { name: `full bookings, ${name}`, value: median(rates), unit: "/s", rounds: rates };
  return [
    name.startsWith("instant") ? { ...rate, atLeast: 3_000 } : rate,
    percentile(50),
    percentile(95),
    percentile(99),
    percentile(99.9),
  ];
}

/** Shows to sell and people to sell to. */
async function prepare(product: BenchProduct): Promise<string[]> {
  const admin = `Authorization: Bearer ${await product.adminToken()}\r\n`;
  const catalogue = smallCatalogue({ shows: SHOWS, rows: 10, seatsPerRow: 20, startsAt: Date.now() + DAY_MS });
  await once(product.url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
  const tokens: string[] = [];
  for (let i = 0; i < SESSIONS; i += 1) {
    const answer = (await once(product.url, "POST", "/v1/sessions", "", "{}")) as { token: string };
    tokens.push(answer.token);
  }
  return tokens;
}

class Load {
  readonly #url: string;
  readonly #tokens: readonly string[];
  #turn = 0;

  constructor(url: string, tokens: readonly string[]) {
    this.#url = url;
    this.#tokens = tokens;
  }

  /** Bookings a second over `lengthMs`, and what was refused, by status and code. */
  async round(lengthMs: number, latencies?: Histogram): Promise<{ rate: number; failures: string }> {
    const failures = new Map<string, number>();
    const startedAt = performance.now();
    const endsAt = startedAt + lengthMs;
    let booked = 0;
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => LoadConnection.open(this.#url)));
    await Promise.all(
      connections.map(async (connection) => {
        while (performance.now() < endsAt) {
          const from = performance.now();
          const failure = await this.#book(connection);
          if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1);
          else {
            booked += 1;
            latencies?.recordValue(Math.round((performance.now() - from) * 1000));
          }
        }
        connection.close();
      }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    return { rate: booked / seconds, failures: [...failures].map(([what, count]) => `${count} × ${what}`).join(", ") };
  }

  /** One whole booking; what went wrong, or `undefined`. */
  async #book(connection: LoadConnection): Promise<string | undefined> {
    this.#turn += 1;
    const turn = this.#turn;
    const session = `Authorization: Bearer ${this.#tokens[turn % this.#tokens.length]}\r\n`;
    const lockBody = `{"showtime_id":"${smallShowId(turn % SHOWS)}","quantity":2}`;
    const lock = await connection.request(
      "POST",
      "/v1/bookings/lock",
      `${session}X-Idempotency-Key: l${turn}\r\n`,
      lockBody,
    );
    if (lock.status !== 201) return `lock ${lock.status} ${codeOf(lock.body)}`;
    const { lock_id } = JSON.parse(lock.body) as { lock_id: string };
    const confirmBody = `{"lock_id":"${lock_id}","payment_token":"pm_card_visa"}`;
    const confirm = await connection.request(
      "POST",
      "/v1/bookings/confirm",
      `${session}X-Idempotency-Key: c${turn}\r\n`,
      confirmBody,
    );
    return confirm.status === 200 ? undefined : `confirm ${confirm.status} ${codeOf(confirm.body)}`;
  }
}

const codeOf = (body: string): string => /"code":"(\w+)"/.exec(body)?.[1] ?? "";
