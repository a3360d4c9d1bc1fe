// What the guests were told, booking by booking, and whether it hangs together: with itself, with what they asked for,
// and in the end with the store.
// S1: nothing is told that its guest did not cause: `cancelled` and `released` only after asking, `declined` and `booked`
//     only by a payment whose token does that.
// S2: what was told stands. Only a payment nobody knew the outcome of goes on after its booking was released.

import { rowName } from "../../demo/catalogue/small.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { AnswerBody } from "./payment-client.ts";

const SURE_TOKEN = "pm_card_visa";
const DECLINED_TOKEN = "pm_card_chargeDeclined";
const LATE_TOKEN = "pm_sim_late";

/** How often each is drawn, of a hundred; what is left is `pm_card_visa`. */
const TOKENS: readonly (readonly [token: string, percent: number])[] = [
  [DECLINED_TOKEN, 20],
  ["pm_sim_timeout", 10],
  ["pm_sim_error", 10],
  [LATE_TOKEN, 5],
  ["pm_sim_duplicate", 10],
  ["pm_sim_slow_700", 3],
  ["pm_sim_slow_2500", 2],
];
const NEVER_PAID = new Set([DECLINED_TOKEN, "pm_sim_timeout", "pm_sim_error"]);

/** `dice`: 0–99. */
export function tokenAt(dice: number): string {
  let below = 0;
  for (const [token, percent] of TOKENS) {
    below += percent;
    if (dice < below) return token;
  }
  return SURE_TOKEN;
}

export const mayComeLate = (token: string): boolean => token === LATE_TOKEN;

type Asked = "release" | "cancel";
export type Told = Pick<AnswerBody, "status" | "reason" | "version" | "seats" | "total">;

export interface StoredBooking {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly seats: readonly string[];
  readonly total: number;
  readonly token: string | null;
  readonly payment: string | null;
}

const NEXT: Readonly<Record<string, readonly string[]>> = {
  held: ["paying", "booked", "declined", "released", "expired", "cancelled"],
  paying: ["booked", "declined", "released", "cancelled"],
  booked: ["cancelled"],
  declined: [],
  expired: [],
  cancelled: [],
};

export class Story {
  readonly id: string;
  readonly problems: string[] = [];
  readonly asked = new Set<Asked>();
  /** What it was paid with. */
  token: string | undefined;
  #told: Told;

  /** `lock`: the answer that gave the seats. */
  constructor(lock: AnswerBody) {
    this.id = lock.lock_id;
    this.#told = { status: "held", reason: null, version: 0, seats: lock.seats, total: lock.total };
  }

  get status(): string {
    return this.#told.status;
  }

  get version(): number {
    return this.#told.version;
  }

  hear(told: Told): void {
    if (told.version < this.#told.version) this.#say(`version ${this.#told.version} was told, then ${told.version}`);
    this.#compare(told);
    this.#told = told;
  }

  /** A refusal that says how it stands, and nothing else. */
  hearStatus(status: string, reason: string | null): void {
    this.hear({ ...this.#told, status, reason });
  }

  compare(stored: StoredBooking): void {
    this.#compare(stored);
    if (stored.token !== (this.token ?? null)) this.#say(`was paid with ${this.token}, by the store ${stored.token}`);
  }

  #compare(now: Omit<Told, "version">): void {
    const { status, seats, total } = this.#told;
    const what = `was ${status}, then ${now.status} (${now.reason})`;
    if (now.seats.join() !== seats.join() || now.total !== total) {
      this.#say(`had ${seats} for ${total}, then ${now.seats} for ${now.total}`);
    }
    if (now.status !== status && !this.#next().includes(now.status)) return this.#say(what);
    if (!this.#isCaused(now)) this.#say(`${what}, and was asked ${[...this.asked]}, paid with ${this.token}`);
  }

  #next(): readonly string[] {
    const { status, reason } = this.#told;
    // Late success (S2).
    if (status === "released" && reason === "payment_unknown") return ["booked"];
    return NEXT[status] ?? [];
  }

  /** S1. */
  #isCaused({ status, reason }: Pick<Told, "status" | "reason">): boolean {
    const { asked, token } = this;
    switch (status) {
      case "booked":
        return token !== undefined && !NEVER_PAID.has(token);
      case "declined":
        return token === DECLINED_TOKEN;
      case "released":
        return reason === "payment_unknown" ? token !== undefined : asked.has("release");
      case "cancelled":
        return asked.has("cancel");
      case "paying":
        return token !== undefined;
      default:
        return true;
    }
  }

  #say(problem: string): void {
    this.problems.push(`${this.id} ${problem}`);
  }
}

/** How a place in the line ended, as its waiter was told last. */
export interface WaiterEnd {
  readonly state: string;
  /** The hold that an accepted offer became. */
  readonly lockId: string | null;
}

export class Stories {
  readonly byId = new Map<string, Story>();
  /** By waiter. */
  readonly ends = new Map<string, WaiterEnd>();

  /** A lock's answer; the same again is the same story. */
  begin(lock: AnswerBody): Story {
    const story = this.byId.get(lock.lock_id) ?? new Story(lock);
    this.byId.set(lock.lock_id, story);
    return story;
  }

  /** Of the line: what the store says otherwise. */
  compareLine(stored: readonly StoredWaiter[]): string[] {
    const problems: string[] = [];
    for (const { id, state, lockId } of stored) {
      const end = this.ends.get(id);
      if (end?.state !== state || end.lockId !== lockId) {
        problems.push(`waiter ${id} was told ${end?.state} ${end?.lockId}, is ${state} ${lockId}`);
      }
    }
    if (stored.length !== this.ends.size) problems.push(`${this.ends.size} have waited, ${stored.length} by the store`);
    return problems;
  }

  /** What the store says otherwise, and what nobody asked for. */
  compare(stored: readonly StoredBooking[]): string[] {
    const rows = new Map(stored.map((row) => [row.id, row]));
    const problems: string[] = [];
    for (const story of this.byId.values()) {
      const row = rows.get(story.id);
      if (row === undefined) problems.push(`${story.id} was told ${story.status} and is not there`);
      else story.compare(row);
      problems.push(...story.problems);
    }
    for (const id of rows.keys()) if (!this.byId.has(id)) problems.push(`${id} is there and nobody was told of it`);
    return problems;
  }
}

export interface StoredWaiter extends WaiterEnd {
  readonly id: string;
}

export async function storedWaiters(pool: Pool): Promise<StoredWaiter[]> {
  const { rows } = await pool.query<StoredWaiter>(
    `SELECT show_id || '.' || id AS id, status AS state, show_id || '.' || hold_id AS "lockId" FROM waiter`,
  );
  return rows;
}

/** Every booking, its seats by label; `seatsPerRow`: of the small catalogue's layout. */
export async function storedBookings(pool: Pool, seatsPerRow: number): Promise<StoredBooking[]> {
  const { rows } = await pool.query<StoredBooking & { indices: number[] }>(
    `SELECT show_id || '.' || id AS id, status, reason, seats AS indices, total::integer AS total,
       payment->>'token' AS token, payment->>'state' AS payment FROM booking`,
  );
  const label = (seat: number): string => `${rowName(Math.floor(seat / seatsPerRow))}${(seat % seatsPerRow) + 1}`;
  return rows.map(({ indices, ...row }) => ({ ...row, seats: indices.map(label) }));
}
