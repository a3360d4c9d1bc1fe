// A crowd of guests and watchers at a cluster, going on for as long as faults are tried.
// L1: guests stop only between two visits, so that at rest nobody has asked for anything that was not answered.
// L2: whoever fails stops everybody, and `rest`, `flows` and `end` reject with it.

import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { importCatalogue } from "../../gateway/catalogue/import.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { until } from "../harness/allocator.ts";
import type { ClusterProduct } from "../harness/cluster-product.ts";
import type { TestScope } from "../harness/postgres.ts";
import type { Doors } from "./cluster-client.ts";
import { ClusterGuest, type GuestShow } from "./cluster-guest.ts";
import { ClusterHistory } from "./cluster-history.ts";
import { ClusterWatcher } from "./cluster-watcher.ts";

/** Of a row; `storedBookings` counts in these. */
export const SEATS_PER_ROW = 10;
/** Shows where everybody finds a seat, and shows where they wait in line. */
const KINDS = [
  { prefix: "roomy", shows: 14, rows: 2, seatsPerRow: SEATS_PER_ROW, tenths: 5 },
  { prefix: "tight", shows: 4, rows: 1, seatsPerRow: 3, tenths: 5 },
] as const;
const GUESTS = 24;
/** Between two visits of one guest: the machine has other things to do. */
const PAUSE_MS = 60;
const DAY_MS = 86_400_000;
/** Nothing is to run out while a test runs. */
const POLICIES = { hold_ttl_s: 3_600, offer_ttl_s: 3_600 };
const FLOWS_MAX_MS = 60_000;

export class ClusterLoad {
  readonly history = new ClusterHistory();
  readonly shows: readonly GuestShow[];
  readonly watchers: ClusterWatcher[] = [];
  readonly doors: Doors;
  readonly #guests: ClusterGuest[] = [];
  readonly #random = new SeededRandom(1);
  #lives: Promise<unknown>[] = [];
  #stopped: (() => void)[] = [];
  #isResting = false;
  #isOver = false;
  #failure: unknown;
  /** In a volley: where everybody goes next. */
  #volley: readonly GuestShow[] = [];

  private constructor(product: ClusterProduct) {
    this.shows = KINDS.flatMap(({ prefix, shows, rows, seatsPerRow }) =>
      Array.from({ length: shows }, (_, show) => ({
        showId: smallShowId(show, prefix),
        seats: Array.from({ length: rows * seatsPerRow }, (_, seat) => seatName(seat, seatsPerRow)),
      })),
    );
    this.doors = {
      urls: () => product.gateways.flatMap(({ url }) => url ?? []),
      problems: this.history.problems,
      isGivenUp: false,
      repeats: {},
    };
  }

  /** Puts the shows on sale and lets everybody in; they leave with the test. */
  static async start(t: TestScope, product: ClusterProduct): Promise<ClusterLoad> {
    for (const { prefix, shows, rows, seatsPerRow } of KINDS) {
      const startsAt = Date.now() + 30 * DAY_MS;
      const catalogue = smallCatalogue({ prefix, shows, rows, seatsPerRow, startsAt, policies: POLICIES });
      const { kind } = await importCatalogue(product.pool, catalogue);
      if (kind !== "imported") throw new Error(`the catalogue is ${kind}`);
    }
    const load = new ClusterLoad(product);
    t.teardown(() => load.#giveUp());
    load.#open();
    return load;
  }

  /** Commands whose outcome nobody knew at once, and why. */
  get repeats(): Readonly<Record<string, number>> {
    return this.doors.repeats;
  }

  get repeatCount(): number {
    return Object.values(this.doors.repeats).reduce((sum, count) => sum + count, 0);
  }

  /** Until each show has answered something that was asked from now on; how long the last one took. */
  async flows(): Promise<number> {
    const from = performance.now();
    let silent = this.shows;
    const isSo = (): boolean => {
      silent = silent.filter(({ showId }) => !this.history.answeredSince(showId, from));
      return this.#check() && silent.length === 0;
    };
    await until("every show answers", isSo, FLOWS_MAX_MS).catch((error: unknown) => {
      const names = silent.map(({ showId }) => showId).join(", ");
      throw new Error(`not answered: ${names || "nothing"}`, { cause: error });
    });
    return performance.now() - from;
  }

  /** Until so many more commands have been answered. */
  async goesOn(commands: number): Promise<void> {
    const to = this.history.size + commands;
    await until("the load goes on", () => this.#check() && this.history.size >= to, FLOWS_MAX_MS);
  }

  /** Until so many attempts more have brought nothing: the fault is felt. */
  async isHit(repeats: number): Promise<void> {
    const to = this.repeatCount + repeats;
    await until("the fault is felt", () => this.#check() && this.repeatCount >= to, FLOWS_MAX_MS);
  }

  /** Everybody stops between two visits. */
  async rest(): Promise<void> {
    this.#isResting = true;
    await until("everybody rests", () => this.#check() && this.#stopped.length === GUESTS, 2 * FLOWS_MAX_MS);
  }

  goOn(): void {
    this.#isResting = false;
    for (const next of this.#stopped.splice(0)) next();
  }

  /** All at once to these shows; `kill` at the answer number `answers` of any of them. Called at rest. */
  volley(showIds: readonly string[], answers: number, kill: () => void): void {
    let count = 0;
    this.history.onAnswer = (showId) => {
      if (!showIds.includes(showId)) return;
      count += 1;
      if (count !== answers) return;
      this.#volley = [];
      this.history.onAnswer = () => undefined;
      kill();
    };
    this.#volley = this.shows.filter(({ showId }) => showIds.includes(showId));
    this.goOn();
  }

  /** Everybody goes home: guests after the visit they are at. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.goOn();
    for (const watcher of this.watchers) watcher.stop();
    await Promise.all(this.#lives);
    this.#check();
  }

  /** What has ended has nothing left to give up. */
  async #giveUp(): Promise<void> {
    this.doors.isGivenUp = true;
    for (const guest of this.#guests) guest.close();
    await this.end().catch(() => undefined);
  }

  #open(): void {
    for (const [i, { showId }] of this.shows.entries()) {
      // Of each kind some, on either gateway.
      if (i % 4 < 2) this.watchers.push(new ClusterWatcher(this.doors, showId, i));
    }
    for (let i = 0; i < GUESTS; i += 1) this.#guests.push(new ClusterGuest(this.doors, this.history, i));
    this.#lives = [
      ...this.watchers.map((watcher) => watcher.watch()),
      ...this.#guests.map((guest) => this.#live(guest)),
    ];
  }

  async #live(guest: ClusterGuest): Promise<void> {
    try {
      while (!this.#isOver) {
        if (this.#isResting) await new Promise<void>((next) => this.#stopped.push(next));
        else if (this.#volley.length === 0) await sleepMs(this.#random.below(2 * PAUSE_MS), systemTimers);
        if (this.#isResting || this.#isOver) continue;
        await guest.visit(this.#next());
      }
    } catch (error) {
      this.#failure ??= error;
      this.#isOver = true;
    } finally {
      guest.close();
    }
  }

  #next(): GuestShow {
    if (this.#volley.length > 0) return this.#random.pick(this.#volley) as GuestShow;
    let dice = this.#random.below(10);
    const kind = KINDS.find(({ tenths }) => {
      dice -= tenths;
      return dice < 0;
    });
    const { prefix } = kind ?? KINDS[0];
    return this.#random.pick(this.shows.filter(({ showId }) => showId.startsWith(prefix))) as GuestShow;
  }

  #check(): true {
    if (this.#failure !== undefined) throw this.#failure;
    return true;
  }
}

const seatName = (seat: number, seatsPerRow: number): string =>
  `${String.fromCharCode(65 + Math.floor(seat / seatsPerRow))}${(seat % seatsPerRow) + 1}`;
