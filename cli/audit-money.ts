// Money is conserved: the payment simulator's ledger against the bookings, to the unit.
// M1: authorised = captured for bookings + voided + refunded + in flight, in each currency; and each intent by itself is
//     what its booking says. In flight is what a recorded state has still to drive to its end.
// M2: a running service moves money while it is being counted. So whatever does not add up is counted again after a
//     while, and only what is said both times is a problem: a difference that stays has the same words.

import type { Book, Intent } from "../demo/payment-simulator/book.ts";
import { readLedger } from "../demo/payment-simulator/read-ledger.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";

const PROBLEMS_MAX = 100;
const AGAIN_AFTER_MS = 1_500;
const IN_FLIGHT: ReadonlySet<string> = new Set(["begun", "authorised", "voiding", "refunding"]);
/** The reference of an order of amount 0: no gateway heard of it. */
const FREE = "free";

/** Minor units. */
export interface MoneyTotals {
  authorised: number;
  captured: number;
  voided: number;
  refunded: number;
  inFlight: number;
}

export interface MoneyReport {
  readonly intents: number;
  /** By currency. */
  readonly totals: Readonly<Record<string, MoneyTotals>>;
  /** One sentence each, at most PROBLEMS_MAX. */
  readonly problems: readonly string[];
}

interface PaidRow {
  readonly id: string;
  readonly status: string;
  readonly total: number;
  readonly currency: string;
  readonly attempt: number;
  readonly state: string;
  readonly reference: string | null;
}

/** `simulatorDir`: where the simulator's ledger is. Rejects when ledger or tables cannot be read. */
export async function auditMoney(pool: Pool, simulatorDir: string): Promise<MoneyReport> {
  const first = await count(pool, simulatorDir);
  if (first.problems.length === 0) return first;
  await sleepMs(AGAIN_AFTER_MS, systemTimers);
  const second = await count(pool, simulatorDir);
  const said = new Set(first.problems);
  return { ...second, problems: second.problems.filter((problem) => said.has(problem)).slice(0, PROBLEMS_MAX) };
}

export function moneySentence({ intents, totals, problems }: MoneyReport): string {
  const sums = Object.entries(totals).map(
    ([currency, { authorised, captured, voided, refunded, inFlight }]) =>
      `${currency} ${authorised} authorised = ${captured} captured + ${voided} voided + ${refunded} refunded + ${inFlight} in flight`,
  );
  const verdict = problems.length === 0 ? "balanced" : `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
  return `payments: ${[`${intents} intents`, ...sums].join(", ")}: ${verdict}`;
}

/** The tables first: what the ledger has more by then is in flight, or a booking to be made. */
async function count(pool: Pool, simulatorDir: string): Promise<MoneyReport> {
  const { rows } = await pool.query<PaidRow>(
    `SELECT show_id || '.' || id AS id, status, total, currency, (payment->>'attempt')::integer AS attempt,
       payment->>'state' AS state, payment->>'reference' AS reference
     FROM booking WHERE payment IS NOT NULL`,
  );
  return balance(rows, await readLedger(simulatorDir));
}

function balance(rows: readonly PaidRow[], book: Book): MoneyReport {
  const bookings = new Map(rows.map((row) => [row.id, row]));
  const totals: Record<string, MoneyTotals> = {};
  const problems: string[] = [];
  for (const intent of book.intents()) {
    const row = bookings.get(intent.metadata.booking_id ?? "");
    if (intent.status === "requires_payment_method") continue;
    const sums = totalsOf(totals, intent.currency);
    addIntent(sums, intent, row);
    const problem = problemOf(intent, row);
    if (problem !== undefined) problems.push(problem);
  }
  for (const row of rows) {
    if (row.reference === null || row.reference === FREE) continue;
    if (row.state === "captured") totalsOf(totals, row.currency).captured += row.total;
    if (book.intent(row.reference) === undefined) {
      problems.push(`booking ${row.id}: its payment ${row.reference} is ${row.state} and not in the ledger`);
    }
  }
  for (const [currency, sums] of Object.entries(totals)) {
    const accounted = sums.captured + sums.voided + sums.refunded + sums.inFlight;
    if (accounted !== sums.authorised) {
      problems.push(`${currency}: ${sums.authorised} were authorised, and ${accounted} are accounted for`);
    }
  }
  return { intents: book.intentCount, totals, problems };
}

function totalsOf(totals: Record<string, MoneyTotals>, currency: string): MoneyTotals {
  const name = currency.toUpperCase();
  totals[name] ??= { authorised: 0, captured: 0, voided: 0, refunded: 0, inFlight: 0 };
  return totals[name];
}

/** What the ledger says of it; what is captured is added by the bookings (M1). */
function addIntent(sums: MoneyTotals, intent: Readonly<Intent>, row: PaidRow | undefined): void {
  sums.authorised += intent.amount;
  if (intent.status === "canceled") sums.voided += intent.amount;
  sums.refunded += intent.amountRefunded;
  if (row !== undefined && isOwn(intent, row) && IN_FLIGHT.has(row.state) && intent.status !== "canceled") {
    sums.inFlight += intent.amount - intent.amountRefunded;
  }
}

/** The payment its booking speaks of; a booking has one at a time. */
const isOwn = (intent: Readonly<Intent>, row: PaidRow): boolean =>
  intent.metadata.attempt === String(row.attempt) && (row.reference === null || row.reference === intent.id);

/** Why the intent is not what its booking says; `undefined` when it is. */
function problemOf(intent: Readonly<Intent>, row: PaidRow | undefined): string | undefined {
  const kept = intent.amountReceived - intent.amountRefunded;
  const open = intent.status === "canceled" ? 0 : intent.status === "succeeded" ? kept : intent.amount;
  const what = `payment ${intent.id} is ${intent.status} with ${open} of ${intent.amount} ${intent.currency.toUpperCase()}`;
  if (row === undefined) return open === 0 ? undefined : `${what} for a booking that is not there`;
  const whose = `booking ${row.id} (${row.status}, ${row.state})`;
  if (!isOwn(intent, row)) return open === 0 ? undefined : `${what} beside the payment of ${whose}`;
  const isTotal = intent.amount === row.total && intent.currency.toUpperCase() === row.currency;
  if (!isTotal) return `${what} for ${whose}, which costs ${row.total} ${row.currency}`;
  if (IN_FLIGHT.has(row.state)) return undefined;
  const isRight = row.state === "captured" ? row.status === "booked" && kept === row.total : open === 0;
  return isRight ? undefined : `${what} for ${whose}`;
}
