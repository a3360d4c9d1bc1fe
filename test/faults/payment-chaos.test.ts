// Goal: money is conserved and nobody is displaced, whatever the payment provider does, while the allocator dies.
// Method: guests lock, wait in line, pay, give back and cancel over HTTP, with tokens that are declined, never answered,
// answered 500, late or told of twice, while the product is killed with -9 every two seconds and started again; its store and
// the provider live on. Everything is repeated with its key until it is answered. Then, when every payment has come to
// its end: the audit balances to the unit; what was told stands; the logs are read by strangers for deadlines and for the
// order of the line; the ledger charged nobody twice. `npm run faults` does the same with 10,000 payments.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { paymentsDirOf } from "../../cli/runtime-file.ts";
import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { importCatalogue } from "../../gateway/catalogue/import.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { until } from "../harness/allocator.ts";
import { LineWitness } from "../harness/line-witness.ts";
import { startTestPostgres, testFolder } from "../harness/postgres.ts";
import { usher } from "../harness/product.ts";
import { PaymentGuest } from "./payment-guest.ts";
import { MortalProduct } from "./payment-mortal.ts";
import { checkLedger, DeadlineProof, readLog } from "./payment-proof.ts";
import { PaymentProvider } from "./payment-provider.ts";
import { Sale } from "./payment-sale.ts";
import { storedBookings, storedWaiters } from "./payment-story.ts";

const IS_LONG = process.env.FAULTS === "long";
const PAYMENTS = IS_LONG ? 10_000 : 400;
const GUESTS = IS_LONG ? 192 : 128;
const GUESTS_PER_SHOW = 16;
const ROWS = 3;
const SEATS_PER_ROW = 10;
/** Some 0.9 seats of each payment are sold. */
const SHOWS = 10 + Math.ceil((PAYMENTS * 1.2) / (ROWS * SEATS_PER_ROW));
const QUIET_SHOWS = 10 + Math.ceil(PAYMENTS / 50);
const ALIVE_MS = 2_000;
const DEATHS_MIN = IS_LONG ? 50 : 3;
/** A busy machine takes longer to start it than it then lives; in the short version the last guests are spared that. */
const DEATHS_MAX = IS_LONG ? Number.POSITIVE_INFINITY : 12;
/**
 * After the payment's deadline (if no outages move it too far), and before it is looked up: so that it is found by asking
 * again, and booked where nobody is displaced, else voided.
 */
const LATE_MS = 8_000;
const SETTLED_MAX_MS = IS_LONG ? 600_000 : 100_000;
const API_KEY = "sk_test_chaos";
const WEBHOOK_SECRET = "whsec_chaos";
const POLICIES = { hold_ttl_s: 10, grace_s: 1, offer_ttl_s: 10 };
const ENVIRONMENT = {
  PAY_TTL_S: "4",
  // Well after LATE_MS: a look-up never books.
  PAYMENT_LOOKUP_AFTER_S: "14",
  BOOKING_ATTEMPTS_PER_MIN: "0",
  PAYMENT_KEY: API_KEY,
  PAYMENT_WEBHOOK_SECRET: WEBHOOK_SECRET,
};

interface Stage {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly provider: PaymentProvider;
  readonly product: MortalProduct;
}

async function prepare(t: Test): Promise<Stage> {
  const dataDir = await testFolder(t);
  await mkdir(paymentsDirOf(dataDir), { recursive: true });
  const { pool, url: databaseUrl } = await startTestPostgres(t);
  const provider = await PaymentProvider.start(t, {
    dataDir: paymentsDirOf(dataDir),
    apiKey: API_KEY,
    flags: ["--late-ms", String(LATE_MS)],
  });
  const catalogue = smallCatalogue({
    shows: SHOWS + QUIET_SHOWS,
    rows: ROWS,
    seatsPerRow: SEATS_PER_ROW,
    startsAt: Date.now() + 86_400_000,
    policies: POLICIES,
  });
  t.equal((await importCatalogue(pool, catalogue)).kind, "imported");
  const env = { ...ENVIRONMENT, DATABASE_URLS: databaseUrl, PAYMENT_URL: provider.url };
  const onReady = (url: string) => provider.tellAt(url, WEBHOOK_SECRET);
  const product = new MortalProduct(t, { dataDir: join(dataDir, "product"), env, onReady });
  return { pool, databaseUrl, dataDir, provider, product };
}

async function sell({ product }: Stage): Promise<Sale> {
  const shows = Array.from({ length: SHOWS + QUIET_SHOWS }, (_, i) => smallShowId(i));
  const sale = new Sale({
    shows: shows.slice(0, SHOWS),
    quietShows: shows.slice(SHOWS),
    openShows: GUESTS / GUESTS_PER_SHOW,
    payments: PAYMENTS,
    url: () => product.url,
  });
  let isSold = false;
  const guests = Array.from({ length: GUESTS }, (_, seed) => new PaymentGuest(sale, seed).live());
  const lives = Promise.all(guests).finally(() => {
    isSold = true;
  });
  try {
    await Promise.all([lives, product.dieEvery(ALIVE_MS, () => isSold || product.outages.length >= DEATHS_MAX)]);
  } catch (error) {
    sale.breakOff();
    product.giveUp();
    await Promise.allSettled(guests);
    throw error;
  }
  return sale;
}

/** Nobody holds, pays or waits, and nothing is left to be asked of the provider. */
async function unfinished(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ what: string }>(
    `SELECT format('%s × booking %s, payment %s with %s', count(*), status, payment->>'state', payment->>'token') AS what
     FROM booking WHERE status IN ('held', 'paying')
       OR payment->>'state' IN ('begun', 'authorised', 'voiding', 'refunding')
     GROUP BY status, payment->>'state', payment->>'token'
     UNION ALL
     SELECT format('%s × waiter %s', count(*), status) FROM waiter WHERE ended_at IS NULL GROUP BY status`,
  );
  return rows.map(({ what }) => what);
}

async function settle(t: Test, { pool }: Stage): Promise<void> {
  let left: string[] = [];
  const isDone = async (): Promise<boolean> => {
    left = await unfinished(pool);
    return left.length === 0;
  };
  await until("everything has come to its end", isDone, SETTLED_MAX_MS).catch(() => undefined);
  t.same(left, [], "everything has come to its end");
}

async function checkTold(t: Test, { pool }: Stage, sale: Sale): Promise<void> {
  t.same(sale.problems, [], "nobody was answered what nobody should be");
  t.same(sale.stories.compare(await storedBookings(pool, SEATS_PER_ROW)), [], "what was told stands");
  t.same(sale.stories.compareLine(await storedWaiters(pool)), [], "so does what was told in the line");
}

async function checkLogs(t: Test, { pool, product }: Stage): Promise<DeadlineProof> {
  const log = await readLog(pool);
  const proof = new DeadlineProof(log, product.outages);
  t.same(proof.problems, [], "everything came to its end by its deadline, and nothing before");
  const witnesses = new Map<string, LineWitness>();
  const category = Array.from({ length: ROWS * SEATS_PER_ROW }, () => 0);
  for (const { show_id, seq, events } of log) {
    const seen = witnesses.get(show_id) ?? new LineWitness(show_id, category);
    witnesses.set(show_id, seen);
    seen.turn(seq, events);
  }
  const problems = [...witnesses.values()].flatMap((seen) => seen.problems);
  t.same(problems, [], "nobody was overtaken, no seat given twice or idle, nothing took effect twice");
  const served = [...witnesses.values()].reduce((sum, { offered }) => sum + offered.length, 0);
  t.ok(served > 0, `${served} were served in the line`);
  return proof;
}

async function checkMoney(t: Test, { pool, databaseUrl, dataDir, provider }: Stage): Promise<void> {
  const bookings = await storedBookings(pool, SEATS_PER_ROW);
  t.same(checkLedger(await provider.intents(), bookings), [], "everybody who is booked paid once, and nobody else");
  const audit = await usher(t, ["audit", "--data", dataDir], { DATABASE_URLS: databaseUrl }).ended;
  t.equal(audit.code, 0, `audit: ${audit.stdout}${audit.stderr}`);
  t.match(audit.stdout, /captured \+ .* \+ 0 in flight: balanced/, audit.stdout);
}

t.setTimeout(IS_LONG ? 3_000_000 : 175_000);

t.test("payments of all kinds, and an allocator that dies every two seconds", { timeout: 0 }, async (t) => {
  const times = [performance.now()];
  const stage = await prepare(t);
  const sale = await sell(stage);
  times.push(performance.now());
  await settle(t, stage);
  times.push(performance.now());
  await checkTold(t, stage, sale);
  const proof = await checkLogs(t, stage);
  await checkMoney(t, stage);
  const { outages } = stage.product;
  const [sellingMs, settlingMs] = times.slice(1).map((time, i) => Math.round(time - (times[i] ?? 0)));
  t.comment(`${sellingMs} ms of selling, ${settlingMs} ms until all was settled`);
  const downMs = outages.reduce((sum, { from, until }) => sum + until - from, 0);
  t.comment(
    `${sale.begun} payments, ${sale.stories.byId.size} bookings, ${outages.length} deaths, down for ${downMs} ms`,
  );
  t.comment(`repeated: ${JSON.stringify(sale.repeats)}`);
  t.comment(JSON.stringify(sale.counts));
  t.comment(
    `${proof.abandoned} given up at their deadline, ${proof.lateSuccesses} succeeded after it; at most ${proof.latestMs} ms ` +
      `late; ${proof.declinesWithOffer} of ${proof.declines} declines made the next offer`,
  );
  t.ok(outages.length >= DEATHS_MIN, `it died ${outages.length} times`);
  t.ok(sale.repeats.unanswered > 0, "some requests were never answered");
  t.ok(proof.resumed > 0, `${proof.resumed} payments were begun under one owner and booked under the next`);
  t.ok(proof.abandoned > 0, "some payments were given up at their deadline");
  if (IS_LONG) t.ok(proof.lateSuccesses > 0, "some payments succeeded after it");
  t.ok(proof.declinesWithOffer > 0, "some declines made the next offer in the same turn");
  t.equal(await stage.product.end(), 0, "Ctrl-C ends it well");
});
