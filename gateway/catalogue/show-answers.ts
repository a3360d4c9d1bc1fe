// `GET /v1/shows/{show_id}`: the catalogue's record of a show with the counts of its live seat map.
// A1: counts are those of the seat map this gateway would serve, so a write it acknowledged shows at once.
// A2: when nobody can say now, they are those of the owner's last commit, marked `stale`.

import type { ShowId } from "../../shared/kernel/ids.ts";
import { TwoGenerationCache } from "../../shared/kernel/two-generation-cache.ts";
import { SEAT_FREE } from "../../shared/protocol/reply.ts";
import { availabilityOf } from "./availability.ts";
import type { HallPlan } from "./hall-plan.ts";
import type { ShowRecord } from "./queries.ts";
import type { CatalogueReader } from "./reader.ts";
import { type ReadyAnswer, render } from "./ready-answer.ts";
import type { ShowDirectory } from "./show-directory.ts";

/** The part of a seat view that is read here. `digits`: one ASCII digit a seat in layout order. */
export interface LiveSeats {
  readonly epoch: number;
  readonly version: number;
  readonly digits: Uint8Array;
}

export type LiveSeatsRead =
  | { readonly kind: "view"; readonly view: LiveSeats; readonly isStale: boolean }
  | { readonly kind: "unknown_show" }
  | { readonly kind: "fault" };

export interface LiveSeatsSource {
  read(showId: ShowId): Promise<LiveSeatsRead>;
}

/** What a show that sets no policy of its own is sold with. Seconds. */
export interface PolicyDefaults {
  readonly holdTtlS: number;
  readonly graceS: number;
  readonly offerTtlS: number;
}

export interface ShowAnswersOptions {
  readonly directory: ShowDirectory;
  readonly reader: CatalogueReader;
  readonly seats: LiveSeatsSource;
  readonly defaults: PolicyDefaults;
}

interface Kept {
  readonly record: ShowRecord;
  readonly stamp: string;
  readonly ready: ReadyAnswer;
}

const ANSWERS_MAX = 4_096;
const ASCII_ZERO = 48;

export class ShowAnswers {
  readonly #options: ShowAnswersOptions;
  readonly #kept = new TwoGenerationCache<ShowId, Kept>(ANSWERS_MAX);

  constructor(options: ShowAnswersOptions) {
    this.#options = options;
  }

  /** `undefined`: there is no such show. */
  async read(showId: ShowId): Promise<ReadyAnswer | undefined> {
    const { directory, reader, seats } = this.#options;
    const show = directory.peek(showId) ?? (await directory.find(showId));
    const record = await reader.show(showId);
    if (show === undefined || record === undefined) return undefined;
    const live = await seats.read(showId);
    const view = live.kind === "view" ? live.view : undefined;
    const isStale = live.kind !== "view" || live.isStale;
    const stamp = `${view?.epoch} ${view?.version} ${isStale}`;
    const kept = this.#kept.get(showId);
    if (kept !== undefined && kept.record === record && kept.stamp === stamp) return kept.ready;
    const free = view === undefined ? record.free : freeByCategory(show.hall, view.digits);
    const ready = render(showJson({ record, hall: show.hall, free, isStale, defaults: this.#options.defaults }));
    this.#kept.set(showId, { record, stamp, ready });
    return ready;
  }
}

function freeByCategory(hall: HallPlan, digits: Uint8Array): number[] {
  const free = hall.categories.map(() => 0);
  for (let seat = 0; seat < digits.length; seat += 1) {
    if (digits[seat] !== ASCII_ZERO + SEAT_FREE) continue;
    const category = hall.categoryIndexOfSeat[seat] ?? 0;
    free[category] = (free[category] ?? 0) + 1;
  }
  return free;
}

interface ShowParts {
  readonly record: ShowRecord;
  readonly hall: HallPlan;
  readonly free: readonly number[];
  readonly isStale: boolean;
  readonly defaults: PolicyDefaults;
}

function showJson({ record, hall, free, isStale, defaults }: ShowParts): object {
  const { prices, currency, free: _, hold_ttl_s, grace_s, offer_ttl_s, ...rest } = record;
  const { waitlist_policy, single_gap, gated, ...show } = rest;
  return {
    ...show,
    categories: hall.categories.map((category, i) => {
      const total = hall.categorySeats[i] ?? 0;
      const left = free[i] ?? 0;
      const price = prices[category] ?? 0;
      return { category, price, currency, total, free: left, status: availabilityOf(left, total) };
    }),
    policies: {
      hold_ttl_s: hold_ttl_s ?? defaults.holdTtlS,
      grace_s: grace_s ?? defaults.graceS,
      offer_ttl_s: offer_ttl_s ?? defaults.offerTtlS,
      waitlist_policy,
      single_gap,
      gated,
    },
    ...(isStale && { stale: true }),
  };
}
