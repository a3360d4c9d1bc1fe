// The seat maps this gateway serves: one snapshot a show, then deltas. Owns which shows are kept and when one is read
// again; knows nothing of HTTP.
// W1: an entry hears of updates from before its snapshot is asked for: what commits meanwhile is applied on top.
// W2: a gap or a new epoch makes a view `behind`: it is read again, at once where somebody watches, else when next asked.
// W3: at most `viewsMax` entries; the one not asked for longest goes, never one that is watched or being read.
// W4: an update of a show that nobody asked about costs one Map look-up.
// W5: while a view is read again the old one is answered as stale: STALE_AFTER_MS after somebody first asked, at once
//     when the allocators are known not to answer. Only a show of which nothing is known keeps anybody waiting longer.

import type { ShowId } from "../shared/kernel/ids.ts";
import type { TimerHandle, Timers } from "../shared/platform/timers.ts";
import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";
import type { Fault, ShowUpdate } from "../shared/protocol/reply.ts";
import { SeatView } from "./seat-view.ts";
import type { ShowLookup } from "./show-lookup.ts";

export type SeatViewRead =
  /** `isStale`: it may have changed since and nobody could be asked. */
  | { readonly kind: "view"; readonly view: SeatView; readonly isStale: boolean }
  | { readonly kind: "unknown_show" }
  | { readonly kind: "fault"; readonly fault: Fault };

/** Hears of one show: each change in order, and `snapshot` when what came before no longer holds. */
export interface SeatWatcher {
  /** `previous`: the version that was told last. One update may hold several turns, so versions can jump. */
  delta(update: ShowUpdate, previous: number): void;
  snapshot(view: SeatView): void;
}

export interface SeatViewsOptions {
  readonly allocator: AllocatorPort;
  readonly shows: ShowLookup;
  readonly timers: Timers;
  /** 4,096 unless said; a view of 200 seats takes about 1 KiB. */
  readonly viewsMax?: number;
}

const READ_DEADLINE_MS = 5_000;
/** How long who asks waits for a better answer than an old one. */
const STALE_AFTER_MS = 300;
/** Updates kept while a snapshot is on its way; more, and it is read again. */
const EARLY_UPDATES_MAX = 1_000;
/** How soon a watched show that could not be read is tried again. */
const RETRY_MS = 500;
/** How many watched entries an eviction steps over before it lets the map grow by one. */
const EVICTION_STEPS_MAX = 64;

interface Entry {
  readonly showId: ShowId;
  view: SeatView | undefined;
  /** There is something newer than `view`: its epoch is at least this. */
  behindEpoch: number | undefined;
  reading: Promise<SeatViewRead> | undefined;
  /** How long this reading may keep those waiting who could have the old view: one timer for all of them (W5). */
  patience: Patience | undefined;
  /** What came since the snapshot was asked for; `undefined` while none is. Set before the asking (W1). */
  early: ShowUpdate[] | undefined;
  /** Updates were lost since the snapshot was asked for. */
  hasMissed: boolean;
  watcher: SeatWatcher | undefined;
  retry: TimerHandle | undefined;
}

interface Patience {
  readonly timer: TimerHandle;
  readonly end: Promise<void>;
}

export class SeatViews {
  readonly #allocator: AllocatorPort;
  readonly #shows: ShowLookup;
  readonly #timers: Timers;
  readonly #viewsMax: number;
  /** In the order in which they were last asked for. */
  readonly #entries = new Map<ShowId, Entry>();
  #isStopped = false;

  constructor(options: SeatViewsOptions) {
    this.#allocator = options.allocator;
    this.#shows = options.shows;
    this.#timers = options.timers;
    this.#viewsMax = options.viewsMax ?? 4_096;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is known and current, without a promise; else `undefined`: then `read` it. */
  peek(showId: ShowId): SeatViewRead | undefined {
    const entry = this.#entries.get(showId);
    if (entry?.view === undefined || entry.behindEpoch !== undefined) return undefined;
    this.#touch(entry);
    return { kind: "view", view: entry.view, isStale: this.#allocator.unready().length > 0 };
  }

  read(showId: ShowId): Promise<SeatViewRead> {
    const known = this.peek(showId);
    if (known !== undefined) return Promise.resolve(known);
    const entry = this.#entryOf(showId);
    if (entry.view === undefined) return this.#refresh(entry);
    this.#touch(entry);
    return this.#refreshOrStale(entry, entry.view);
  }

  /** One watcher a show. From now on the show is kept and hears of everything; `unwatch` ends it. */
  watch(showId: ShowId, watcher: SeatWatcher): void {
    this.#entryOf(showId).watcher = watcher;
  }

  unwatch(showId: ShowId): void {
    const entry = this.#entries.get(showId);
    if (entry === undefined) return;
    entry.watcher = undefined;
    this.#timers.clearTimeout(entry.retry);
    entry.retry = undefined;
    if (entry.view === undefined && entry.reading === undefined) this.#entries.delete(showId);
  }

  apply(update: ShowUpdate): void {
    const entry = this.#entries.get(update.showId);
    if (entry === undefined) return;
    if (entry.early !== undefined) {
      if (entry.early.length < EARLY_UPDATES_MAX) entry.early.push(update);
      return;
    }
    if (entry.view === undefined) return;
    if (entry.behindEpoch !== undefined) {
      entry.behindEpoch = Math.max(entry.behindEpoch, update.epoch);
      return;
    }
    const previous = entry.view.version;
    const applied = entry.view.apply(update);
    if (applied === "changed") entry.watcher?.delta(update, previous);
    else if (applied === "gap") this.#fallBehind(entry, update.epoch);
  }

  /** Updates were lost on the way: every view may be old, and what is being read too. */
  distrust(): void {
    for (const entry of this.#entries.values()) {
      entry.hasMissed = true;
      if (entry.view !== undefined && entry.behindEpoch === undefined) this.#fallBehind(entry, entry.view.epoch);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const entry of this.#entries.values()) {
      this.#timers.clearTimeout(entry.retry);
      this.#timers.clearTimeout(entry.patience?.timer);
    }
    this.#entries.clear();
  }

  #fallBehind(entry: Entry, epoch: number): void {
    entry.behindEpoch = epoch;
    if (entry.watcher !== undefined) this.#refreshUnasked(entry);
  }

  /** For watchers: what the lookup throws is the store being away, and it is tried again until nobody watches. */
  #refreshUnasked(entry: Entry): void {
    this.#refresh(entry).catch(() => undefined);
  }

  #entryOf(showId: ShowId): Entry {
    const known = this.#entries.get(showId);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#viewsMax) this.#evict();
    const entry: Entry = {
      showId,
      view: undefined,
      behindEpoch: undefined,
      reading: undefined,
      patience: undefined,
      early: undefined,
      hasMissed: false,
      watcher: undefined,
      retry: undefined,
    };
    this.#entries.set(showId, entry);
    return entry;
  }

  #touch(entry: Entry): void {
    this.#entries.delete(entry.showId);
    this.#entries.set(entry.showId, entry);
  }

  #evict(): void {
    let steps = 0;
    for (const entry of this.#entries.values()) {
      if (entry.watcher === undefined && entry.reading === undefined) {
        this.#entries.delete(entry.showId);
        return;
      }
      this.#touch(entry);
      steps += 1;
      if (steps >= EVICTION_STEPS_MAX) return;
    }
  }

  /** Never rejects: there is something to show. */
  #refreshOrStale(entry: Entry, view: SeatView): Promise<SeatViewRead> {
    const stale: SeatViewRead = { kind: "view", view, isStale: true };
    const reading = this.#refresh(entry).catch(() => stale);
    if (this.#allocator.unready().length > 0) return Promise.resolve(stale);
    entry.patience ??= this.#patience();
    return Promise.race([reading, entry.patience.end.then(() => stale)]);
  }

  #patience(): Patience {
    let resolve: () => void = () => undefined;
    const end = new Promise<void>((ended) => {
      resolve = ended;
    });
    return { timer: this.#timers.setTimeout(() => resolve(), STALE_AFTER_MS), end };
  }

  /** One at a time for a show. Rejects only with what the lookup throws. */
  #refresh(entry: Entry): Promise<SeatViewRead> {
    if (entry.reading !== undefined) return entry.reading;
    entry.early = [];
    entry.hasMissed = false;
    entry.reading = this.#readSnapshot(entry).finally(() => {
      this.#timers.clearTimeout(entry.patience?.timer);
      entry.patience = undefined;
      entry.reading = undefined;
      entry.early = undefined;
      const isCurrent = entry.view !== undefined && entry.behindEpoch === undefined;
      if (entry.watcher !== undefined && !isCurrent) this.#retryLater(entry);
      else if (entry.watcher === undefined && entry.view === undefined) this.#entries.delete(entry.showId);
    });
    return entry.reading;
  }

  async #readSnapshot(entry: Entry): Promise<SeatViewRead> {
    const { showId } = entry;
    const show = this.#shows.peek(showId) ?? (await this.#shows.find(showId));
    if (show === undefined) return { kind: "unknown_show" };
    const reply = await this.#allocator.ask(showId, { kind: "ReadSeatMap" }, READ_DEADLINE_MS);
    if (reply.kind === "snapshot") {
      const view = new SeatView(show.hall.layout.layout_id, reply.snapshot);
      return this.#adopt(entry, view);
    }
    if (reply.kind === "refused") return { kind: "unknown_show" };
    if (entry.view !== undefined) return { kind: "view", view: entry.view, isStale: true };
    const fault: Fault =
      reply.kind === "fault" ? reply.fault : { code: "store_unavailable", outcome: "none", retryAfterMs: 1_000 };
    return { kind: "fault", fault };
  }

  #adopt(entry: Entry, view: SeatView): SeatViewRead {
    const old = entry.view;
    const isOlder =
      view.epoch < (entry.behindEpoch ?? 0) ||
      (old !== undefined && (view.epoch < old.epoch || (view.epoch === old.epoch && view.version < old.version)));
    // An owner that was deposed may answer late: what was shown once is never taken back.
    if (isOlder) return { kind: "view", view: old ?? view, isStale: true };
    const early = entry.early ?? [];
    const gap = early.find((update) => view.apply(update) === "gap");
    const hasGap = gap !== undefined || entry.hasMissed || early.length >= EARLY_UPDATES_MAX;
    entry.view = view;
    entry.behindEpoch = hasGap ? (gap?.epoch ?? view.epoch) : undefined;
    entry.watcher?.snapshot(view);
    return { kind: "view", view, isStale: hasGap };
  }

  #retryLater(entry: Entry): void {
    if (this.#isStopped) return;
    entry.retry ??= this.#timers.setTimeout(() => {
      entry.retry = undefined;
      if (entry.watcher !== undefined) this.#refreshUnasked(entry);
    }, RETRY_MS);
  }
}
