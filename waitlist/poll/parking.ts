// The lot where long polls park: a place a poll, one timer for all of them, woken by the id they ask about.
// Owns places and their deadlines; knows nothing of HTTP, bookings or versions (long-poll.ts does).
// P1: a place hears of its id from `enter` to `leave`. A wake-up that comes while it is not resting is remembered and
//     ends its next rest at once: nothing that happens between reading and resting is lost.
// P2: a rest never ends early, and at most one slot late.
// P3: at most `placesMax` places, and `placesPerIdMax` for one id; who finds none is told so and nothing is kept.
// P4: ids stand in groups (a show's), so that one of them is woken as a whole without a walk over the others; WAKE_BATCH
//     at a time, the rest after the I/O of each tick: who wakes asks, and thousands at once would shut each other out.

import { assert } from "../../shared/kernel/assert.ts";
import type { Clock } from "../../shared/platform/clock.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

/** `gone`: left by its client. `closing`: the lot closes. */
export type Waking = "changed" | "timeout" | "gone" | "closing";

export interface PollLotOptions {
  readonly timers: Timers;
  /** Milliseconds; may jump (a wall clock will do): a jump makes rests longer or shorter, never endless. */
  readonly clock: Clock;
  /** 50,000 unless said. */
  readonly placesMax?: number;
  /** 64 unless said: one booking or waiter has one holder, with a few windows at most. */
  readonly placesPerIdMax?: number;
}

export const WAIT_MAX_MS = 30_000;
const SLOT_MS = 50;
const WAKE_BATCH = 500;
/** One turn of the wheel is twice the longest wait: the hand may lag that far behind and no rest gets cut short. */
const SLOT_COUNT = 2 * Math.ceil(WAIT_MAX_MS / SLOT_MS);

export interface Place {
  /** Ends with what woke it. `waitMs` ≤ WAIT_MAX_MS. */
  rest(waitMs: number): Promise<Waking>;
  /** Frees the place at once; a rest under way ends as `gone`. Safe to call twice. */
  leave(): void;
}

export class PollLot {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #placesMax: number;
  readonly #placesPerIdMax: number;
  readonly #groups = new Map<string, Group>();
  /** The groups being woken as a whole, each with those still to come. */
  readonly #wakings = new Map<string, GroupWaking>();
  #wakingTimer: TimerHandle | undefined;
  readonly #slots: (Set<ParkedPlace> | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
  #size = 0;
  #restingCount = 0;
  #cursor = 0;
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: PollLotOptions) {
    this.#timers = options.timers;
    this.#clock = options.clock;
    this.#placesMax = options.placesMax ?? 50_000;
    this.#placesPerIdMax = options.placesPerIdMax ?? 64;
  }

  /** Places taken, resting or not. */
  get size(): number {
    return this.#size;
  }

  /** A place that hears of `id` of `group` from now on, or `undefined` when the lot is full or closed. */
  enter(group: string, id: string): Place | undefined {
    if (this.#isClosed || this.#size >= this.#placesMax) return undefined;
    const ids = this.#groups.get(group) ?? new Map();
    const there = ids.get(id);
    if (there instanceof Set && there.size >= this.#placesPerIdMax) return undefined;
    if (there !== undefined && this.#placesPerIdMax < 2) return undefined;
    const place = new ParkedPlace(this, group, id);
    if (there === undefined) ids.set(id, place);
    else if (there instanceof Set) there.add(place);
    else ids.set(id, new Set([there, place]));
    if (ids.size === 1) this.#groups.set(group, ids);
    this.#size += 1;
    return place;
  }

  /** Something happened to these of `group`: every place of theirs hears so. */
  wake(group: string, ids: readonly string[]): void {
    const there = this.#groups.get(group);
    if (there === undefined) return;
    for (const id of ids) {
      const places = there.get(id);
      if (places !== undefined) this.#rouseAll(places);
    }
  }

  /** Anything may have happened to any of `group`: every place in it hears so, soon (P4). */
  wakeGroup(group: string): void {
    this.#begin(group);
    if (this.#wakingTimer === undefined) this.#wakeOn();
  }

  /** Anything may have happened to anybody: every place hears so, soon (P4). */
  wakeAll(): void {
    for (const group of this.#groups.keys()) this.#begin(group);
    if (this.#wakingTimer === undefined) this.#wakeOn();
  }

  /** One that is being woken is woken to its end and then once more: who stands last in it must not wait for ever. */
  #begin(group: string): void {
    const ids = this.#groups.get(group);
    if (ids === undefined) return;
    const waking = this.#wakings.get(group);
    if (waking === undefined) this.#wakings.set(group, { places: ids.values(), isWantedAgain: false });
    else waking.isWantedAgain = true;
  }

  /** Ends every rest as `closing` and lets nobody in any more. */
  close(): void {
    this.#isClosed = true;
    for (const slot of this.#slots) {
      for (const place of slot ?? []) this.#endRest(place, "closing");
    }
    this.#timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timers.clearImmediate(this.#wakingTimer);
    this.#wakingTimer = undefined;
    this.#wakings.clear();
  }

  /** For places only. */
  park(place: ParkedPlace, waitMs: number): void {
    assert(waitMs <= WAIT_MAX_MS, `a rest of ${waitMs} ms is longer than the wheel`);
    const now = this.#clock.now();
    if (this.#restingCount === 0) this.#cursor = Math.floor(now / SLOT_MS);
    // Counted from the cursor when the clock has jumped back, so that the slot lies ahead of the hand (P2).
    const from = Math.max(now, this.#cursor * SLOT_MS);
    const slot = Math.min(Math.ceil((from + waitMs) / SLOT_MS), this.#cursor + SLOT_COUNT - 1);
    place.slot = slot % SLOT_COUNT;
    const there = this.#slots[place.slot];
    if (there === undefined) this.#slots[place.slot] = new Set([place]);
    else there.add(place);
    this.#restingCount += 1;
    this.#timer ??= this.#timers.setTimeout(this.#tick, SLOT_MS);
  }

  /** For places only. */
  remove(place: ParkedPlace): void {
    if (place.slot !== NOT_RESTING) this.#endRest(place, "gone");
    const ids = this.#groups.get(place.group);
    const there = ids?.get(place.id);
    if (ids === undefined || there === undefined) return;
    if (there === place) {
      ids.delete(place.id);
      if (ids.size === 0) this.#groups.delete(place.group);
    } else if (there instanceof Set && there.delete(place)) {
      const [last] = there;
      if (there.size === 1 && last !== undefined) ids.set(place.id, last);
    } else return;
    this.#size -= 1;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  readonly #wakeOn = (): void => {
    this.#wakingTimer = undefined;
    let left = WAKE_BATCH;
    for (const [group, waking] of this.#wakings) {
      for (; left > 0; left -= 1) {
        const next = waking.places.next();
        if (next.done === true) {
          this.#wakings.delete(group);
          // Behind the others.
          if (waking.isWantedAgain) this.#begin(group);
          break;
        }
        this.#rouseAll(next.value);
      }
      if (left === 0) break;
    }
    if (this.#wakings.size > 0) this.#wakingTimer = this.#timers.setImmediate(this.#wakeOn);
  };

  #rouseAll(places: ParkedPlace | Set<ParkedPlace>): void {
    if (places instanceof Set) for (const place of places) this.#rouse(place);
    else this.#rouse(places);
  }

  #rouse(place: ParkedPlace): void {
    if (place.slot === NOT_RESTING) place.isWoken = true;
    else this.#endRest(place, "changed");
  }

  #endRest(place: ParkedPlace, why: Waking): void {
    this.#slots[place.slot]?.delete(place);
    place.slot = NOT_RESTING;
    this.#restingCount -= 1;
    place.ended(why);
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    // Always one slot on, even when the clock was put back; all of them at most, however far it was put forward.
    const target = Math.max(this.#cursor + 1, Math.floor(this.#clock.now() / SLOT_MS));
    const last = Math.min(target, this.#cursor + SLOT_COUNT);
    while (this.#cursor < last) {
      this.#cursor += 1;
      const index = this.#cursor % SLOT_COUNT;
      const due = this.#slots[index];
      if (due === undefined) continue;
      for (const place of due) this.#endRest(place, "timeout");
      this.#slots[index] = undefined;
    }
    this.#cursor = target;
    if (this.#restingCount > 0) this.#timer ??= this.#timers.setTimeout(this.#tick, SLOT_MS);
  };
}

/** By id. One place alone is stored as itself: almost every id has one, and a Set costs more than the place. */
type Group = Map<string, ParkedPlace | Set<ParkedPlace>>;

interface GroupWaking {
  readonly places: Iterator<ParkedPlace | Set<ParkedPlace>>;
  /** It was asked for while it was under way. */
  isWantedAgain: boolean;
}

const NOT_RESTING = -1;

/** Kept small: there may be 50,000. */
class ParkedPlace implements Place {
  readonly group: string;
  readonly id: string;
  readonly #lot: PollLot;
  #resolve: ((why: Waking) => void) | undefined;
  /** Index of the slot it rests in, or NOT_RESTING. The lot's. */
  slot = NOT_RESTING;
  /** A wake-up came while it did not rest. The lot's. */
  isWoken = false;

  constructor(lot: PollLot, group: string, id: string) {
    this.#lot = lot;
    this.group = group;
    this.id = id;
  }

  rest(waitMs: number): Promise<Waking> {
    assert(this.slot === NOT_RESTING, "a place rests once at a time");
    if (this.isWoken) {
      this.isWoken = false;
      return Promise.resolve("changed");
    }
    if (this.#lot.isClosed) return Promise.resolve("closing");
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#lot.park(this, waitMs);
    });
  }

  leave(): void {
    this.#lot.remove(this);
  }

  ended(why: Waking): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(why);
  }
}
