// People who book, and the history of what they were told: whatever an allocator acknowledged must be in the tables,
// once, whatever happened to the allocator.
// H1: a guest repeats a command with its key until it is answered, as a gateway's client does.
// H2: what was acknowledged is what the guest builds on: a hold it was given is its hold.

import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { Command } from "../../shared/protocol/command.ts";
import type { BookingStatus, Reply } from "../../shared/protocol/reply.ts";
import {
  byQuantity,
  bySeats,
  confirm,
  newOperation,
  newSession,
  placeHold,
  type TestNode,
  wordOf,
} from "./allocator.ts";

interface Acknowledged {
  readonly seats: readonly number[];
  /** The last thing its guest was told; `held` may have expired since. */
  status: BookingStatus;
}

const ASK_MS = 5_000;
const ANSWER_BOUND_MS = 60_000;

export class History {
  readonly bookings = new Map<BookingId, Acknowledged>();
  /** Ids that were asked for, acknowledged or refused. */
  readonly asked = new Set<BookingId>();
  readonly words: Record<string, number> = {};
  /** What contradicts an earlier answer, one sentence each. */
  readonly problems: string[] = [];
  retries = 0;

  acknowledge(reply: Reply): void {
    this.words[wordOf(reply)] = (this.words[wordOf(reply)] ?? 0) + 1;
    if (reply.kind !== "booking") return;
    const { id, seats, status } = reply.booking;
    const known = this.bookings.get(id);
    if (known === undefined) {
      this.bookings.set(id, { seats, status });
      return;
    }
    if (known.seats.join() !== seats.join()) this.problems.push(`${id} had seats ${known.seats}, then ${seats}`);
    if (known.status !== "held" && known.status !== "paying" && known.status !== status) {
      this.problems.push(`${id} was ${known.status}, then ${status}`);
    }
    known.status = status;
  }

  /** What the tables say otherwise. */
  async compare(pool: Pool): Promise<string[]> {
    const problems = [...this.problems];
    const { rows } = await pool.query<{ id: BookingId; status: BookingStatus; seats: number[] }>(
      "SELECT show_id || '.' || id AS id, status, seats FROM booking",
    );
    const stored = new Map(rows.map((row) => [row.id, row]));
    for (const [id, told] of this.bookings) {
      const row = stored.get(id);
      if (row === undefined) problems.push(`${id} was acknowledged as ${told.status} and is not there`);
      else if (row.seats.join() !== told.seats.join())
        problems.push(`${id} has seats ${row.seats}, told ${told.seats}`);
      else if (told.status !== "held" && told.status !== "paying" && row.status !== told.status) {
        problems.push(`${id} is ${row.status}, told ${told.status}`);
      }
    }
    for (const id of stored.keys()) if (!this.asked.has(id)) problems.push(`${id} is there and nobody asked for it`);
    const twice = await pool.query<{ event: string }>(`
      SELECT e->>'kind' || ' of ' || (e->>'id') AS event FROM show_log, jsonb_array_elements(events::jsonb) AS e
      WHERE e->>'kind' IN ('HoldPlaced', 'BookingConfirmed', 'HoldReleased', 'HoldExtended')
      GROUP BY 1 HAVING count(*) > 1`);
    return [...problems, ...twice.rows.map((row) => `${row.event} is in the log more than once`)];
  }
}

export interface GuestOptions {
  readonly history: History;
  readonly shows: readonly ShowId[];
  readonly seats: number;
  readonly seed: number;
  /** The allocator to ask now. */
  readonly node: () => TestNode;
}

export class Guest {
  readonly #options: GuestOptions;
  readonly #random: SeededRandom;
  readonly #session: SessionId = newSession();
  readonly #made: { readonly showId: ShowId; readonly command: Command }[] = [];

  constructor(options: GuestOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  #isChance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  /** Books, gives back and asks again until `isOver`. */
  async live(isOver: () => boolean): Promise<void> {
    while (!isOver()) await this.#act();
  }

  async #act(): Promise<void> {
    const { history, shows, seats } = this.#options;
    const before = this.#isChance(20) ? this.#random.pick(this.#made) : undefined;
    if (before !== undefined) return this.#hear(before.showId, before.command);
    const showId = this.#random.pick(shows);
    const choice = this.#isChance(30) ? bySeats(this.#random.below(seats)) : byQuantity(1 + this.#random.below(3));
    const command = placeHold(choice, this.#session);
    history.asked.add(`${showId}.${command.operation.id}` as BookingId);
    this.#made.push({ showId, command });
    const reply = await this.#ask(showId, command);
    if (reply.kind === "booking") await this.#goOn(showId, reply.booking.id);
  }

  async #goOn(showId: ShowId, bookingId: BookingId): Promise<void> {
    const session = this.#session;
    const about = () => ({ session, operation: newOperation(), bookingId });
    if (this.#isChance(20)) await this.#make(showId, { kind: "ExtendHold", ...about() });
    if (this.#isChance(30)) await this.#make(showId, confirm(bookingId, session));
    else await this.#make(showId, { kind: "ReleaseHold", ...about() });
    await this.#hear(showId, { kind: "ReadBooking", session, bookingId });
  }

  async #make(showId: ShowId, command: Command): Promise<void> {
    this.#made.push({ showId, command });
    await this.#hear(showId, command);
  }

  async #hear(showId: ShowId, command: Command): Promise<void> {
    await this.#ask(showId, command);
  }

  async #ask(showId: ShowId, command: Command): Promise<Reply> {
    const { history, node } = this.#options;
    const endsAt = performance.now() + ANSWER_BOUND_MS;
    for (;;) {
      const asked = node();
      const reply = await Promise.race([asked.port.ask(showId, command, ASK_MS), asked.crashed]);
      if (reply !== undefined && reply.kind !== "fault") {
        history.acknowledge(reply);
        return reply;
      }
      if (performance.now() > endsAt) throw new Error(`${command.kind} is not answered: ${JSON.stringify(reply)}`);
      history.retries += 1;
      await sleepMs(10 + this.#random.below(20), systemTimers);
    }
  }
}
