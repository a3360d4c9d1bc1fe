// What every request about a show asks first: is there such a show, and what is its hall like?
// D1: what it answers never changes (a show keeps its plan), so it is kept for as long as there is room.
// D2: one look-up at a time for a show and for a layout, however many ask.
// D3: a show that is not there is not remembered: it may be imported in the next moment.

import type { LayoutId, ShowId } from "../../shared/kernel/ids.ts";
import { TwoGenerationCache } from "../../shared/kernel/two-generation-cache.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import { compileHallPlan, type HallPlan } from "./hall-plan.ts";

export interface ShowEntry {
  readonly showId: ShowId;
  readonly hall: HallPlan;
}

/** An entry is some 100 bytes; a plan of 200 seats some 60 KiB. */
const SHOWS_MAX = 200_000;
const PLANS_MAX = 2_000;

export class ShowDirectory {
  readonly #pool: Pool;
  readonly #shows = new TwoGenerationCache<ShowId, ShowEntry>(SHOWS_MAX);
  readonly #plans = new TwoGenerationCache<LayoutId, HallPlan>(PLANS_MAX);
  // Bounded by the requests under way: each entry has at least one waiting for it.
  readonly #showsLoading = new Map<ShowId, Promise<ShowEntry | undefined>>();
  readonly #plansLoading = new Map<LayoutId, Promise<HallPlan | undefined>>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** The show if it is known here already: no promise, for the hot path. `undefined`: ask `find`. */
  peek(showId: ShowId): ShowEntry | undefined {
    return this.#shows.get(showId);
  }

  /** Throws what Postgres throws. */
  async find(showId: ShowId): Promise<ShowEntry | undefined> {
    return this.#shows.get(showId) ?? once(this.#showsLoading, showId, () => this.#loadShow(showId));
  }

  async plan(layoutId: LayoutId): Promise<HallPlan | undefined> {
    return this.#plans.get(layoutId) ?? once(this.#plansLoading, layoutId, () => this.#loadPlan(layoutId));
  }

  async #loadShow(showId: ShowId): Promise<ShowEntry | undefined> {
    const { rows } = await this.#pool.query<{ layout_id: LayoutId }>({
      name: "show_layout",
      text: "SELECT layout_id FROM show WHERE show_id = $1",
      values: [showId],
    });
    const [row] = rows;
    const hall = row === undefined ? undefined : await this.plan(row.layout_id);
    if (hall === undefined) return undefined;
    const entry = { showId, hall };
    this.#shows.set(showId, entry);
    return entry;
  }

  async #loadPlan(layoutId: LayoutId): Promise<HallPlan | undefined> {
    const { rows } = await this.#pool.query<{ plan: Layout }>({
      name: "layout_plan",
      text: "SELECT plan FROM layout WHERE layout_id = $1",
      values: [layoutId],
    });
    const [row] = rows;
    if (row === undefined) return undefined;
    const plan = compileHallPlan(row.plan);
    this.#plans.set(layoutId, plan);
    return plan;
  }
}

function once<K, V>(loading: Map<K, Promise<V>>, key: K, load: () => Promise<V>): Promise<V> {
  const underWay = loading.get(key);
  if (underWay !== undefined) return underWay;
  const promise = load().finally(() => loading.delete(key));
  loading.set(key, promise);
  return promise;
}
