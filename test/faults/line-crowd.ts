// A crowd at a few shows that are held whole: holders give their seats up, waiters take what they are offered, give it up
// in turn and join again; beside each release somebody who never joined asks for the very seats.
// C1: lives end with the product, or, once the crowd is told to go home, when nobody holds or waits for anything.
// C2: before a volley half of the shows come to rest with offers that nobody has taken, half with holds that nobody has
//     given up; then all are taken and given up at once.

import { until } from "../harness/allocator.ts";
import { once } from "../harness/http-client.ts";
import { Guest } from "./line-guest.ts";

const GUESTS_PER_SHOW = 32;
/** Of these each half before a volley. */
const GATED_MIN = 8;
const KEEPS_OFFER_PERCENT = 20;
const SWAPS_PERCENT = 20;
const DECLINES_PERCENT = 10;
const CONNECTIONS_AT_ONCE = 32;

/** Where guests stop before they go on with something, while it is closed. */
class Gate {
  #isClosed = false;
  #stopped: (() => void)[] = [];

  get size(): number {
    return this.#stopped.length;
  }

  close(): void {
    this.#isClosed = true;
  }

  open(): void {
    this.#isClosed = false;
    for (const goOn of this.#stopped.splice(0)) goOn();
  }

  pass(): Promise<void> | undefined {
    if (!this.#isClosed) return undefined;
    return new Promise((resolve) => this.#stopped.push(resolve));
  }
}

interface ShowGates {
  readonly release: Gate;
  readonly takeUp: Gate;
}

export class Crowd {
  readonly guests: Guest[] = [];
  /** One a show: asks for seats that are just being given up, and never joins. */
  readonly #newcomers = new Map<string, Guest>();
  readonly #gates = new Map<string, ShowGates>();
  readonly #rows: ReadonlyMap<string, readonly string[]>;
  answered = 0;
  #isKilled = false;
  #isGoingHome = false;
  #untilKill = Number.POSITIVE_INFINITY;
  #kill: () => void = () => undefined;

  /** `rows`: of seats, each a category of its own: its name and its seats' labels. */
  static async gather(url: string, shows: readonly string[], rows: ReadonlyMap<string, readonly string[]>) {
    const crowd = new Crowd(rows);
    const names = [...rows.keys()];
    for (const [show, showId] of shows.entries()) {
      crowd.#gates.set(showId, { release: new Gate(), takeUp: new Gate() });
      const accepts = (i: number) => (i % 3 === 0 ? names : [names[i % names.length] as string]);
      for (let i = 0; i <= GUESTS_PER_SHOW; i += 1) {
        const guest = new Guest({
          showId,
          token: ((await once(url, "POST", "/v1/sessions", "", "{}")) as { token: string }).token,
          seed: 1_000 * show + i,
          categories: accepts(i),
          onAnswer: () => crowd.#onAnswer(),
        });
        if (i === GUESTS_PER_SHOW) crowd.#newcomers.set(showId, guest);
        else crowd.guests.push(guest);
      }
    }
    return crowd;
  }

  private constructor(rows: ReadonlyMap<string, readonly string[]>) {
    this.#rows = rows;
  }

  get all(): Guest[] {
    return [...this.guests, ...this.#newcomers.values()];
  }

  get problems(): string[] {
    return this.all.flatMap(({ problems }) => problems);
  }

  /** How often what was refused, and why. */
  get refusals(): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const { refusals } of this.all) {
      for (const [why, count] of Object.entries(refusals)) sum[why] = (sum[why] ?? 0) + count;
    }
    return sum;
  }

  async connect(url: string): Promise<void> {
    const all = this.all;
    for (let i = 0; i < all.length; i += CONNECTIONS_AT_ONCE) {
      await Promise.all(all.slice(i, i + CONNECTIONS_AT_ONCE).map((guest) => guest.connect(url)));
    }
    this.#isKilled = false;
  }

  /** The first of each show hold all its seats, in twos; the others join its line. */
  async settleIn(): Promise<void> {
    const labels = [...this.#rows.values()].flat();
    for (const showId of this.#gates.keys()) {
      const [...guests] = this.guests.filter((guest) => guest.showId === showId);
      for (let seat = 0; seat < labels.length; seat += 2) {
        await guests.shift()?.lock({ seat_ids: labels.slice(seat, seat + 2) });
      }
      await Promise.all(guests.map((guest) => guest.join()));
    }
  }

  /** Everybody lives until the product dies. */
  async live(): Promise<void> {
    await Promise.all(
      this.guests.map(async (guest) => {
        try {
          await this.#live(guest);
        } catch (error) {
          if (!this.#isKilled) throw error;
        }
      }),
    );
  }

  /** Everything that was never answered; nobody else asks for anything meanwhile. */
  async askAgain(): Promise<void> {
    for (const guest of this.all) await guest.askAgain();
    // Newcomers take seats only to see whether they can.
    for (const newcomer of this.#newcomers.values()) if (newcomer.hold !== undefined) await newcomer.release();
  }

  /** From now on nobody joins again, so that all lines come to an end. */
  goHome(): void {
    this.#isGoingHome = true;
  }

  /** Brings the crowd to rest (C2). */
  async hush(round: number): Promise<void> {
    const gates = [...this.#gates.values()];
    const quiet = gates.map(({ release, takeUp }, i) => ((i + round) % 2 === 0 ? release : takeUp));
    for (const gate of quiet) gate.close();
    const gated = (half: number) =>
      quiet.reduce((sum, gate, i) => ((i + round) % 2 === half ? sum + gate.size : sum), 0);
    await until("enough have stopped", () => gated(0) >= GATED_MIN && gated(1) >= GATED_MIN);
  }

  /** All at once; `kill` at the answer number `answers` to any of it. */
  volley(answers: number, kill: () => void): void {
    this.#untilKill = answers;
    this.#kill = kill;
    for (const { release, takeUp } of this.#gates.values()) {
      release.open();
      takeUp.open();
    }
  }

  #onAnswer(): void {
    this.answered += 1;
    this.#untilKill -= 1;
    if (this.#untilKill !== 0) return;
    this.#isKilled = true;
    this.#kill();
  }

  async #live(guest: Guest): Promise<void> {
    const gates = this.#gates.get(guest.showId) as ShowGates;
    while (!this.#isKilled) {
      if (guest.hold !== undefined) {
        await gates.release.pass();
        await this.#giveUp(guest);
      } else if (guest.entry?.state === "offered") {
        const stop = gates.takeUp.pass();
        await stop;
        // Some let the volley go by, so that open offers outlive the product.
        const isKeeping = stop !== undefined && guest.random.below(100) < KEEPS_OFFER_PERCENT;
        while (isKeeping && !this.#isKilled) await guest.poll();
        await this.#takeUp(guest);
      } else if (guest.isInLine) await guest.poll();
      else if (this.#isGoingHome) return;
      else await this.#comeIn(guest);
    }
  }

  async #comeIn(guest: Guest): Promise<void> {
    await guest.join();
    // Nobody claims what it would have: it may simply take it.
    if (guest.wasRefused && !this.#isKilled) await guest.lock({ category: guest.category });
  }

  async #giveUp(guest: Guest): Promise<void> {
    if (this.#isKilled) return;
    const { seats } = guest.hold ?? { seats: [] };
    await Promise.all([guest.release(), this.#barge(guest.showId, seats)]);
  }

  async #takeUp(guest: Guest): Promise<void> {
    if (this.#isKilled) return;
    const { random, entry } = guest;
    const dice = random.below(100);
    if (dice < DECLINES_PERCENT) return guest.decline();
    if (dice < DECLINES_PERCENT + SWAPS_PERCENT) {
      // Free seats are there for somebody behind who needs more; others may take them first.
      const free = await guest.freeSeats(this.#rows);
      if (this.#isKilled) return;
      await guest.swap([...free, ...(entry?.offer?.seats ?? [])].slice(0, entry?.quantity));
      if (!guest.wasRefused || this.#isKilled) return;
    }
    await guest.accept();
  }

  /** Right behind the release, on another connection. */
  async #barge(showId: string, seats: readonly string[]): Promise<void> {
    const newcomer = this.#newcomers.get(showId);
    if (newcomer === undefined || newcomer.unanswered !== undefined || newcomer.hold !== undefined) return;
    await newcomer.lock({ seat_ids: seats });
    if (newcomer.hold !== undefined && !this.#isKilled) await newcomer.release();
  }
}
