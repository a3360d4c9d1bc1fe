// The outbox is the log itself: this hears every commit of its node and sees to it that each sink is told
// (sink-relay.ts), from where it stopped.
// N1: at its start, and a while after each sweep, it looks for shows whose log goes beyond a sink's cursor: what a crash
//     left, what was forgotten for want of room, and what another node never told.
// N2: cursors are written every few seconds and at the end; a crash repeats what was told since.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Metrics } from "../../shared/platform/metrics.ts";
import { type Timers, within } from "../../shared/platform/timers.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import type { NewsSink } from "../../shared/protocol/show-news.ts";
import type { CommitEntry } from "../journal/journal.ts";
import { Halls } from "./halls.ts";
import { observeNews } from "./meters.ts";
import type { NewsStore } from "./news-store.ts";
import { Rounds } from "./rounds.ts";
import { SinkRelay } from "./sink-relay.ts";

const CURSORS_EVERY_MS = 5_000;
const SWEEP_EVERY_MS = 30_000;
/** One of several nodes has no show yet when it starts. */
const FIRST_SHARE_MS = 1_000;
/** There was no room for what a sweep found. */
const SWEEP_GOES_ON_AFTER_MS = 1_000;
const RETRY_MS = 5_000;
const LAGS_PER_PAGE_MAX = 1_000;
const DRAIN_BOUND_MS = 2_000;
const LAST_CURSORS_BOUND_MS = 2_000;

export interface NewsRelayOptions {
  /** Their names differ. Whoever made them ends them, after this. */
  readonly sinks: readonly NewsSink[];
  readonly store: NewsStore;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Shows that this node's sweeps look after; all, unless told otherwise. Two nodes that both do tell some news twice. */
  readonly isMine?: (showId: ShowId) => boolean;
}

export class NewsRelay {
  readonly #options: NewsRelayOptions;
  readonly #relays: readonly SinkRelay[];
  readonly #rounds: Rounds[] = [];
  #isStopping = false;

  constructor(options: NewsRelayOptions) {
    const { sinks, store, timers, random, log, metrics } = options;
    this.#options = options;
    const halls = new Halls(store);
    const meters = observeNews(metrics);
    this.#relays = sinks.map(
      (sink) => new SinkRelay({ sink, store, halls, meter: meters.of(sink.name), timers, random, log }),
    );
    meters.onBehind(() => this.#relays.map((relay) => [relay.name, relay.behind] as const));
  }

  /** Before the first turn: whatever is committed after it, a new sink hears of. Rejects when the store is away. */
  async start(): Promise<void> {
    for (const { name, heirTo } of this.#options.sinks) await this.#options.store.register(name, heirTo);
    for (const relay of this.#relays) {
      this.#begin(`cursors of ${relay.name}`, CURSORS_EVERY_MS, async () => {
        await relay.cursors.write();
        return CURSORS_EVERY_MS;
      });
      this.#begin(`sweep for ${relay.name}`, this.#options.isMine ? FIRST_SHARE_MS : 0, this.#sweeping(relay));
    }
  }

  /** `entry` and its show's layout where turns were committed; without them, and a reload, nothing was. */
  onCommitted(update: ShowUpdate, entry?: CommitEntry, layoutId?: string): void {
    if (entry !== undefined && layoutId !== undefined) {
      for (const relay of this.#relays) relay.onCommitted(entry, layoutId);
    } else if (update.isReload === true) {
      for (const relay of this.#relays) relay.onLog(update.showId, update.version);
    }
  }

  /** After the last commit. Tells what is ready, within a bound, and writes the cursors. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#relays.map((relay) => relay.stop(DRAIN_BOUND_MS)));
    const written = async (): Promise<void> => {
      await Promise.all(this.#rounds.map((rounds) => rounds.stop()));
      const outcomes = await Promise.allSettled(this.#relays.map((relay) => relay.cursors.write()));
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") this.#saidTwice(String(outcome.reason));
      }
    };
    await within(
      written(),
      LAST_CURSORS_BOUND_MS,
      () => this.#saidTwice("the store does not answer"),
      this.#options.timers,
    );
  }

  #saidTwice(reason: string): void {
    this.#options.log.warn({ reason }, "news: cursors were not written, some will be told twice");
  }

  #begin(what: string, delayMs: number, round: () => Promise<number>): void {
    const { timers, log } = this.#options;
    const rounds = new Rounds({ what, round, failedPauseMs: RETRY_MS, timers, log });
    this.#rounds.push(rounds);
    rounds.start(delayMs);
  }

  /** A sweep by pages; one that finds no room goes on, later, from where it was. */
  #sweeping(relay: SinkRelay): () => Promise<number> {
    const { store, isMine } = this.#options;
    let after = "";
    return async () => {
      while (!this.#isStopping) {
        const { lags, last } = await store.lags(relay.name, after, LAGS_PER_PAGE_MAX);
        for (const { showId, seq } of lags) {
          if (isMine?.(showId) === false) continue;
          if (!relay.onLog(showId, seq)) return SWEEP_GOES_ON_AFTER_MS;
        }
        after = last ?? "";
        if (last === undefined) break;
      }
      return SWEEP_EVERY_MS;
    };
  }
}
