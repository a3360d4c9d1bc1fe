// Tells one sink what was committed: each show's news in the order of its log, one call a show at a time, and never one
// before all earlier ones of its show are safe with the sink.
// R1: memory is a shortcut. Commits are told from it while it is known that all before them is safe; whatever is
//     forgotten, missed or never heard of, the sweep finds by leases and cursors, and it is told from the log.
// R2: the commit path only notes: a look at what is wanted, a list, a number. The telling begins in another tick.
// R3: what a sink does not take is told again, after a pause, that show only (sink-health.ts).
// R4: a call that hangs keeps its show waiting, since there may be one call a show; it gives its place back, so that it
//     keeps no other show waiting, but for HUNG_MAX such calls.
// R5: after a crash some is told twice, with the same ids in the same order; nothing is left out.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import { type Timers, within } from "../../shared/platform/timers.ts";
import type { News, NewsSink } from "../../shared/protocol/show-news.ts";
import { Batcher } from "../journal/batcher.ts";
import type { CommitEntry, LogTurn } from "../journal/journal.ts";
import { Cursors } from "./cursors.ts";
import type { Halls } from "./halls.ts";
import type { SinkMeter } from "./meters.ts";
import { type Facts, newsOf } from "./news-of.ts";
import type { NewsStore, ShowCursor } from "./news-store.ts";
import {
  dependsOnPast,
  factsIn,
  idsIn,
  type Picked,
  type Place,
  pickEvents,
  placeAfter,
  type Wanted,
  wantedBy,
  wantsAnyOf,
} from "./picks.ts";
import { ShowTelling } from "./show-telling.ts";
import { longerPauseMs, SinkHealth } from "./sink-health.ts";

const NEWS_PER_CALL_MAX = 100;
const TURNS_PER_READ_MAX = 200;
/** Shows with something untold, in memory; others wait for the sweep. */
const SHOWS_MAX = 50_000;
/** Turns and rows that wait in memory, of all shows. */
const WEIGHT_MAX = 100_000;
const CURSORS_PER_READ_MAX = 1_000;
/** After that a call is said to hang. */
const HANGS_AFTER_MS = 30_000;
const HUNG_MAX = 64;
/** For one to try a sink with that is away. */
const LOOKED_AT_MAX = 64;

export interface SinkRelayOptions {
  readonly sink: NewsSink;
  readonly store: NewsStore;
  readonly halls: Halls;
  readonly meter: SinkMeter;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
}

export class SinkRelay {
  readonly cursors: Cursors;
  readonly #options: SinkRelayOptions;
  readonly #wanted: Wanted;
  readonly #health: SinkHealth;
  readonly #places: Batcher<ShowId, ShowCursor | undefined>;
  readonly #tellings = new Map<ShowId, ShowTelling>();
  /** In the order of their turns. */
  readonly #ready = new Set<ShowTelling>();
  #weight = 0;
  #calls = 0;
  #hung = 0;
  #isPumpPlanned = false;
  #isStopping = false;
  #isStopped = false;
  #idle: () => void = () => undefined;

  constructor(options: SinkRelayOptions) {
    const { sink, store, timers, random } = options;
    this.#options = options;
    this.#wanted = wantedBy(sink);
    this.cursors = new Cursors(sink.name, store);
    this.#health = new SinkHealth({ timers, random, onTry: () => this.#planPump() });
    this.#places = new Batcher({
      ask: (showIds) => store.cursors(sink.name, showIds),
      batchMax: CURSORS_PER_READ_MAX,
      batchesAtOnceMax: 1,
      timers,
    });
  }

  get name(): string {
    return this.#options.sink.name;
  }

  /** Shows with news that it was not told. */
  get behind(): number {
    return this.#tellings.size;
  }

  onCommitted(entry: CommitEntry, layoutId: string): void {
    const { showId } = entry;
    let telling = this.#tellings.get(showId);
    if (telling === undefined) {
      const known = this.cursors.get(showId);
      if (known !== undefined && known >= entry.seq) return;
      const follows = known === entry.previousSeq;
      if (follows && !wantsAnyOf(entry.turns, this.#wanted)) return this.cursors.moved(showId, entry.seq);
      telling = this.#open(showId, follows ? { through: known, index: 0 } : undefined);
      if (telling === undefined) return;
    }
    telling.layoutId = layoutId;
    this.#changing(telling, () => {
      telling.hear(entry);
      const mustForget = this.#weight + telling.weight > WEIGHT_MAX || dependsOnPast(entry.turns, this.#wanted);
      if (mustForget) telling.forgetEntries();
    });
  }

  /** The show's log goes at least so far. False: there is no room to note it now. */
  onLog(showId: ShowId, seq: number): boolean {
    if ((this.cursors.get(showId) ?? -1) >= seq) return true;
    // Others may have told more of it than was known here: the cursor is read.
    const telling = this.#tellings.get(showId) ?? this.#open(showId, undefined);
    telling?.extend(seq);
    return telling !== undefined;
  }

  /** Tells what is ready, within the bound; the rest is for whoever comes next. */
  async stop(boundMs: number): Promise<void> {
    this.#isStopping = true;
    for (const { timer } of this.#tellings.values()) this.#options.timers.clearTimeout(timer);
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    this.#planPump();
    await within(idle, boundMs, () => undefined, this.#options.timers);
    this.#isStopped = true;
    this.#health.stop();
  }

  #open(showId: ShowId, place: Place | undefined): ShowTelling | undefined {
    if (this.#isStopping || this.#tellings.size >= SHOWS_MAX) {
      // What comes next must not be taken for what follows (R1).
      this.cursors.forget(showId);
      return undefined;
    }
    const telling = new ShowTelling(showId, place);
    this.#tellings.set(showId, telling);
    this.#goOn(telling);
    return telling;
  }

  /** Keeps the sum of the weights true. */
  #changing(telling: ShowTelling, change: () => void): void {
    this.#weight -= telling.weight;
    change();
    this.#weight += telling.weight;
  }

  #goOn(telling: ShowTelling): void {
    telling.timer = undefined;
    if (telling.place === undefined) {
      void this.#findPlace(telling);
      return;
    }
    this.#ready.add(telling);
    this.#planPump();
  }

  async #findPlace(telling: ShowTelling): Promise<void> {
    const { showId } = telling;
    try {
      const cursor = await this.#places.ask(showId);
      const seq = Math.max(cursor?.seq ?? 0, this.cursors.get(showId) ?? 0);
      telling.layoutId ??= cursor?.layoutId;
      this.cursors.found(showId, seq);
      this.#changing(telling, () => telling.moveTo({ through: seq, index: 0 }));
      if (telling.isDone) this.#tellings.delete(showId);
      else this.#goOn(telling);
    } catch (error) {
      this.#failed(telling, error);
    }
  }

  #planPump(): void {
    if (this.#isPumpPlanned) return;
    this.#isPumpPlanned = true;
    this.#options.timers.setImmediate(() => {
      this.#isPumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isStopped) return;
    while (this.#calls < this.#health.callsMax) {
      const telling = this.#next();
      if (telling === undefined) break;
      this.#ready.delete(telling);
      void this.#run(telling);
    }
    if (this.#calls === 0 && (this.#ready.size === 0 || this.#health.isAway)) this.#idle();
  }

  /** Where the sink may be away, one that has not failed says more about it than those that have. */
  #next(): ShowTelling | undefined {
    const [first] = this.#ready;
    if (!this.#health.isAway) return first;
    let looked = 0;
    for (const telling of this.#ready) {
      if (telling.pauseMs === 0) return telling;
      looked += 1;
      if (looked === LOOKED_AT_MAX) break;
    }
    return first;
  }

  async #run(telling: ShowTelling): Promise<void> {
    this.#calls += 1;
    const place = { isGivenBack: false };
    const giveBack = (): void => {
      if (!place.isGivenBack) this.#calls -= 1;
      place.isGivenBack = true;
      this.#planPump();
    };
    try {
      await this.#step(telling, giveBack);
    } catch (error) {
      this.#failed(telling, error);
    } finally {
      giveBack();
    }
  }

  /** One batch: from memory, or from the log. */
  async #step(telling: ShowTelling, giveBack: () => void): Promise<void> {
    const from = telling.place as Place;
    const { picked, facts } = telling.isInMemory ? this.#fromMemory(telling, from) : await this.#fromLog(telling, from);
    if (picked.events.length === 0) return this.#moved(telling, picked.end);
    const words = await this.#options.halls.words(telling.layoutId as string);
    const about = { showId: telling.showId, words, facts };
    const news = picked.events.map(({ turn, index, type }) => newsOf(turn, index, type, about));
    const safe = await this.#tell(news, giveBack);
    this.#options.meter.told(safe);
    if (safe === 0) throw new Error("the sink took nothing");
    telling.pauseMs = 0;
    if (this.#health.succeeded()) this.#isBack();
    if (safe === news.length) this.#moved(telling, picked.end);
    else this.#movedInPart(telling, placeAfter(picked, safe));
  }

  #fromMemory(telling: ShowTelling, from: Place): { picked: Picked; facts: Facts } {
    const picked = this.#pick(telling.turns(), from, false);
    return { picked, facts: factsIn(telling.entries, picked.events) };
  }

  async #fromLog(telling: ShowTelling, from: Place): Promise<{ picked: Picked; facts: Facts }> {
    const { store } = this.#options;
    const { showId } = telling;
    const turns = await store.log(showId, { ...telling.range(), limit: TURNS_PER_READ_MAX });
    const first = turns[0];
    if (first === undefined) throw new Error(`the log ends before ${telling.target}`);
    const wasCancelled = dependsOnPast(turns, this.#wanted) && (await store.wasCancelled(showId, first.seq));
    const picked = this.#pick(turns, from, wasCancelled);
    const { bookings, waiters } = idsIn(picked.events);
    return { picked, facts: await store.facts(showId, bookings, waiters) };
  }

  #pick(turns: Iterable<LogTurn>, from: Place, wasCancelled: boolean): Picked {
    return pickEvents(turns, { from, wanted: this.#wanted, max: NEWS_PER_CALL_MAX, wasCancelled });
  }

  /** How many are safe. */
  async #tell(news: readonly News[], giveBack: () => void): Promise<number> {
    const { sink, timers, log } = this.#options;
    let isHung = false;
    const hangs = timers.setTimeout(() => {
      log.error({ sink: sink.name, from: news[0]?.id }, "news: the sink does not answer");
      isHung = this.#hung < HUNG_MAX;
      if (!isHung) return;
      this.#hung += 1;
      giveBack();
    }, HANGS_AFTER_MS);
    try {
      const safe = await sink.tell(news);
      if (!Number.isInteger(safe) || safe < 0 || safe > news.length) throw new Error(`${safe} of ${news.length} safe`);
      return safe;
    } finally {
      timers.clearTimeout(hangs);
      if (isHung) this.#hung -= 1;
    }
  }

  /** To the end of a batch: there may be more. */
  #moved(telling: ShowTelling, place: Place): void {
    this.#moveTo(telling, place);
    if (telling.isDone) this.#tellings.delete(telling.showId);
    else this.#goOn(telling);
  }

  #movedInPart(telling: ShowTelling, place: Place): void {
    this.#moveTo(telling, place);
    this.#pause(telling);
  }

  #moveTo(telling: ShowTelling, place: Place): void {
    const before = telling.place?.through;
    this.#changing(telling, () => telling.moveTo(place));
    if (place.through !== before) this.cursors.moved(telling.showId, place.through);
  }

  #failed(telling: ShowTelling, error: unknown): void {
    // Broken off by its sink's end: that says nothing about the sink.
    if (this.#isStopped) return;
    const { meter, log, sink } = this.#options;
    meter.failed();
    const wasAway = this.#health.isAway;
    this.#health.failed(telling.showId);
    // Ten thousand shows need not say the same.
    if (this.#health.isAway !== wasAway) log.warn({ sink: sink.name, reason: String(error) }, "news: the sink is away");
    else if (!wasAway && telling.pauseMs === 0) {
      log.warn({ sink: sink.name, show_id: telling.showId, reason: String(error) }, "news: will be told again");
    }
    this.#pause(telling);
  }

  #pause(telling: ShowTelling): void {
    if (this.#isStopping) return;
    const { timers, random } = this.#options;
    telling.pauseMs = longerPauseMs(telling.pauseMs);
    telling.timer = timers.setTimeout(() => this.#goOn(telling), telling.pauseMs * (0.5 + random()));
  }

  /** Nobody need wait for the end of a pause. */
  #isBack(): void {
    this.#options.log.info({ sink: this.name }, "news: the sink takes news again");
    for (const telling of this.#tellings.values()) {
      if (telling.timer === undefined) continue;
      this.#options.timers.clearTimeout(telling.timer);
      this.#goOn(telling);
    }
  }
}
