// The proofs that need neither the guests nor the audit: what a stranger reads in the shows' logs and in the provider's
// ledger.
// P1: no hold, payment or offer outlives its deadline but by the outages it was moved by, those too short to move it,
//     and LATE_MAX_MS of service; none is ended before it.
// P2: one payment is asked for once: an attempt has at most one intent, a booking at most one that kept money, and that
//     exactly where it is booked, to the unit.

import type { ShowEvent } from "../../allocator/core/event.ts";
import { fail } from "../../shared/kernel/assert.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Outage } from "./payment-mortal.ts";
import type { LedgerIntent } from "./payment-provider.ts";
import type { StoredBooking } from "./payment-story.ts";

/**
 * How long the service may take to a turn that is due: a commit that fails is a show loaded anew, and a statement may
 * take 3 s on a machine that does other things too.
 */
const LATE_MAX_MS = 5_000;

interface LogRow {
  readonly show_id: string;
  readonly seq: number;
  readonly at: number;
  readonly events: readonly ShowEvent[];
}

interface Live {
  readonly kind: "hold" | "payment" | "offer";
  readonly begunAt: number;
  dueAt: number;
}

export async function readLog(pool: Pool): Promise<LogRow[]> {
  const { rows } = await pool.query<LogRow>(
    `SELECT show_id, seq::integer AS seq, at::double precision AS at, events::jsonb AS events FROM show_log
     ORDER BY show_id, seq`,
  );
  return rows;
}

export class DeadlineProof {
  readonly problems: string[] = [];
  /** Milliseconds of service after the deadline, the longest. */
  latestMs = 0;
  /** Payments that succeeded after their booking was released. */
  lateSuccesses = 0;
  abandoned = 0;
  /** Payments begun under one owner and booked in time under another. */
  resumed = 0;
  /** Turns that recorded a decline, and those of them that made the next offer too. */
  declines = 0;
  declinesWithOffer = 0;
  readonly #outages: readonly Outage[];
  /** Of the show being read. */
  readonly #live = new Map<string, Live>();
  #row: Pick<LogRow, "show_id" | "seq" | "at"> = { show_id: "", seq: 0, at: 0 };

  constructor(log: readonly LogRow[], outages: readonly Outage[]) {
    this.#outages = outages;
    for (const row of log) this.#read(row);
    this.#endShow();
  }

  #read(row: LogRow): void {
    if (row.show_id !== this.#row.show_id) this.#endShow();
    this.#row = row;
    for (const event of row.events) this.#take(event);
    if (!row.events.some(({ kind }) => kind === "PaymentDeclined")) return;
    this.declines += 1;
    if (row.events.some(({ kind }) => kind === "OfferMade")) this.declinesWithOffer += 1;
  }

  #take(event: ShowEvent): void {
    switch (event.kind) {
      case "DeadlinesMoved":
        for (const live of this.#live.values()) live.dueAt += event.byMs;
        return;
      case "HoldPlaced":
        return this.#begin(event.id, "hold", event.expiresAt + event.graceMs);
      case "PaymentBegun":
        this.#end(event.id, "in time");
        return this.#begin(event.id, "payment", event.deadlineAt);
      case "OfferMade":
        return this.#begin(event.waiterId, "offer", event.expiresAt + event.graceMs);
      case "HoldReleased":
      case "PaymentDeclined":
        return this.#end(event.id, "in time");
      case "BookingConfirmed":
        return this.#confirmed(event.id);
      case "PaymentAbandoned":
        this.abandoned += 1;
        return this.#end(event.id, "at its deadline");
      case "HoldExpired":
        return this.#end(event.id, "at its deadline");
      case "OfferLapsed":
        return this.#end(event.waiterId, "at its deadline");
      case "OfferAccepted":
      case "OfferDeclined":
        return this.#end(event.waiterId, "in time");
      case "WaiterLeft":
        if (this.#live.has(event.waiterId)) this.#end(event.waiterId, "in time");
    }
  }

  #confirmed(id: string): void {
    const live = this.#live.get(id);
    if (live === undefined) {
      this.lateSuccesses += 1;
      return;
    }
    if (this.#outageMs(live.begunAt, this.#row.at) > 0) this.resumed += 1;
    this.#end(id, "in time");
  }

  #begin(id: string, kind: Live["kind"], dueAt: number): void {
    if (this.#live.has(id)) this.#say(`${kind} ${id} begins twice`);
    this.#live.set(id, { kind, begunAt: this.#row.at, dueAt });
  }

  #end(id: string, when: "in time" | "at its deadline"): void {
    const live = this.#live.get(id) ?? fail(`${id} ends and has not begun`);
    this.#live.delete(id);
    const { at } = this.#row;
    const pastMs = at - live.dueAt;
    if (when === "in time" && pastMs >= 0) this.#say(`${live.kind} ${id} goes on ${pastMs} ms after its deadline`);
    if (when === "in time") return;
    if (pastMs < 0) this.#say(`${live.kind} ${id} is ended ${-pastMs} ms before its deadline`);
    const lateMs = pastMs - this.#outageMs(live.dueAt, at);
    this.latestMs = Math.max(this.latestMs, lateMs);
    if (lateMs > LATE_MAX_MS) this.#say(`${live.kind} ${id} is ended ${lateMs} ms late`);
  }

  #endShow(): void {
    for (const [id, { kind }] of this.#live) this.#say(`${kind} ${id} has no end`);
    this.#live.clear();
  }

  #outageMs(from: number, until: number): number {
    return this.#outages.reduce(
      (sum, outage) => sum + Math.max(0, Math.min(until, outage.until) - Math.max(from, outage.from)),
      0,
    );
  }

  #say(problem: string): void {
    this.problems.push(`${this.#row.show_id} at ${this.#row.seq}: ${problem}`);
  }
}

/** P2. */
export function checkLedger(intents: readonly LedgerIntent[], bookings: readonly StoredBooking[]): string[] {
  const problems: string[] = [];
  const byBooking = new Map<string, LedgerIntent[]>(bookings.map(({ id }) => [id, []]));
  const attempts = new Set<string>();
  for (const intent of intents) {
    const { id, booking_id, idempotency_key, status } = intent;
    if (attempts.has(idempotency_key)) problems.push(`${idempotency_key} was paid twice`);
    attempts.add(idempotency_key);
    if (!/^[^:]+:\d+$/.test(idempotency_key)) problems.push(`${id} has the key ${idempotency_key}`);
    const isOpen = status === "requires_capture" || status === "processing";
    if (isOpen) problems.push(`${id} of ${booking_id} is still ${status}`);
    const own = byBooking.get(booking_id);
    if (own === undefined) problems.push(`${id} is for ${booking_id}, which is not there`);
    else own.push(intent);
  }
  for (const { id, status, total } of bookings) {
    const kept = (byBooking.get(id) ?? []).map((intent) => intent.amount_received - intent.amount_refunded);
    const charged = kept.filter((amount) => amount !== 0);
    const expected = status === "booked" ? [total] : [];
    if (charged.join() !== expected.join()) problems.push(`${id}, ${status} for ${total}, was charged [${charged}]`);
    if (kept.length > 1) problems.push(`${id} has ${kept.length} payments at the provider`);
  }
  return problems;
}
