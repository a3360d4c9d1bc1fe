// One allocator node, put together: store, shows, payments, and the port a gateway asks them by.
// Everything started here is stopped by `stop`, in the order that lets what was acknowledged be committed.

import type { ShowId } from "../shared/kernel/ids.ts";
import type { AlignedClock } from "../shared/platform/clock.ts";
import type { Log } from "../shared/platform/log.ts";
import type { Metrics } from "../shared/platform/metrics.ts";
import { createPool } from "../shared/platform/postgres.ts";
import type { Timers } from "../shared/platform/timers.ts";
import type { NewsSink } from "../shared/protocol/show-news.ts";
import type { Ownership } from "./actor/ownership.ts";
import { Registry } from "./actor/registry.ts";
import type { Answer } from "./actor/show-actor.ts";
import type { Rules } from "./core/decision.ts";
import { GroupCommit } from "./journal/group-commit.ts";
import { PostgresJournal } from "./journal/postgres-journal.ts";
import type { TermDefaults } from "./journal/rows.ts";
import { StoreWatch } from "./journal/store-watch.ts";
import { observe } from "./metrics.ts";
import { connectNews } from "./node-news.ts";
import type { PaymentGateway } from "./payments/port.ts";
import { PaymentSaga, type SagaOptions, type ShowAnswer } from "./payments/saga.ts";
import { LocalPort } from "./transport/local-port.ts";

const LANES = 2;
/**
 * The lanes, and what claims (2 × 2), fences (1), cold rows (3) and cancelled shows (1) ask at once: a commit never waits
 * for a connection.
 */
const CONNECTIONS_MAX = LANES + 9;
/**
 * Plans must not depend on statistics: a statement prepared while a table was still empty kept a sequential scan of
 * show_lease inside a nested loop, and a commit of 120 shows took 100 ms instead of 3.
 */
const PLANNER_SETTINGS = {
  enable_seqscan: "off",
  enable_mergejoin: "off",
  enable_material: "off",
  plan_cache_mode: "force_generic_plan",
};
const STATEMENT_TIMEOUT_MS = 3_000;
const BEAT_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
const ENTRIES_PER_STATEMENT_MAX = 256;
const SECOND_LANE_FROM = 32;
const ACTIVE_SHOWS_MAX = 100_000;

export interface AllocatorOptions {
  /** The cell its shows live in; the first cell has the catalogue. */
  readonly databaseUrl: string;
  readonly nodeId: string;
  readonly rules: Omit<Rules, "instantPayments">;
  readonly defaults: TermDefaults;
  /** Absent: payments are authorised on the spot (`instant:`). */
  readonly payments: PaymentGateway | undefined;
  /** See A7 of the saga. */
  readonly paymentLookUpAfterMs?: number;
  /** Who is told of what was committed; nobody, unless given. Whoever made them ends them, after the node. */
  readonly sinks?: readonly NewsSink[];
  /** Of several nodes; absent: every show is this one's, and those in which something is to do are loaded at once. */
  readonly cluster?: {
    readonly ownership: Ownership;
    readonly onClaimed: (showId: ShowId, epoch: number) => void;
  };
  readonly clock: AlignedClock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Allocator {
  readonly port: LocalPort;
  readonly shows: Pick<Registry, "activate" | "isLive" | "release" | "dropAll" | "busyCount">;
  /** Those in which something is to be done without anybody asking, of the whole cluster. */
  readonly activeShows: (limit: number) => Promise<ShowId[]>;
  /** Seals the mailboxes, commits what is under way, and ends everything it started. */
  stop(): Promise<void>;
}

interface Store {
  readonly journal: PostgresJournal;
  end(): Promise<void>;
}

function connectStore({ databaseUrl, nodeId, defaults, log, cluster }: AllocatorOptions): Store {
  const view = (): number => cluster?.ownership.viewVersion() ?? 0;
  const connect = (max: number, statementTimeoutMs: number) =>
    createPool({
      url: databaseUrl,
      max,
      applicationName: `usher allocator ${nodeId}`,
      statementTimeoutMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      settings: PLANNER_SETTINGS,
      log,
    });
  const pool = connect(CONNECTIONS_MAX, STATEMENT_TIMEOUT_MS);
  const beats = connect(1, BEAT_TIMEOUT_MS);
  return {
    journal: new PostgresJournal({ cell: pool, catalogue: pool, beats, owner: nodeId, view, defaults, log }),
    async end() {
      await beats.end();
      await pool.end();
    },
  };
}

const groupCommit = (
  journal: ConstructorParameters<typeof GroupCommit>[0]["journal"],
  timers: Timers,
  onStatement: (entries: number, turns: number) => void,
): GroupCommit =>
  new GroupCommit({
    journal,
    timers,
    lanesMax: LANES,
    entriesPerStatementMax: ENTRIES_PER_STATEMENT_MAX,
    secondLaneFrom: SECOND_LANE_FROM,
    onStatement,
  });

function showAnswerOf(answer: Answer): ShowAnswer {
  if (typeof answer === "symbol" || answer.kind === "fault") return "not_now";
  return answer.kind === "moved" || answer.kind === "done" ? answer.kind : "other";
}

export async function startAllocator(options: AllocatorOptions): Promise<Allocator> {
  const { clock, timers, log, payments, random } = options;
  const now = (): number => clock.now();
  const store = connectStore(options);
  const { journal } = store;
  const meters = observe(options.metrics);
  const news = connectNews(options);
  const commits = groupCommit(meters.countingCommits(journal), timers, meters.onStatement);
  let isStopping = false;
  const onOutage = (outageId: number): void => {
    log.warn({ outage_id: outageId }, "the store was away: deadlines move by it");
    registry.dropAll();
  };
  const watch = new StoreWatch({ journal, clock, timers, log, onOutage });
  const ask: SagaOptions["ask"] = (showId, command) =>
    new Promise((resolve) => registry.take(showId, command, (answer) => resolve(showAnswerOf(answer))));
  const { paymentLookUpAfterMs: lookUpAfterMs } = options;
  const sagaParts = { ask, now, timers, random, log, ...(lookUpAfterMs === undefined ? {} : { lookUpAfterMs }) };
  const saga = payments && new PaymentSaga({ gateway: payments, ...sagaParts });
  const registry: Registry = new Registry({
    journal,
    commits,
    timers,
    now,
    rules: { ...options.rules, instantPayments: payments === undefined },
    log,
    isStoreOpen: () => !isStopping && watch.isOpen(),
    paymentsAvailable: () => payments?.mayBegin() ?? true,
    onCommitted: news.after((update) => port.publish(update)),
    onUnfinished: (bookings) => saga?.onUnfinished(bookings),
    ...options.cluster,
  });
  const unready = (): string[] => (watch.isOpen() ? [] : ["postgres"]);
  const port = new LocalPort({ registry, journal, saga, timers, now, random, unready });
  meters.onShows(() => registry.size);
  meters.onLines(() => registry.inLines());
  const stop = async (): Promise<void> => {
    isStopping = true;
    registry.stop();
    await commits.drained();
    await saga?.stop();
    await commits.drained();
    await news.stop();
    await watch.stop();
    await store.end();
  };
  try {
    await watch.start();
    await news.start();
    if (options.cluster !== undefined) await journal.warmUp();
    // Whoever waited for a deadline waits no longer than it takes to load.
    if (options.cluster === undefined) void registry.activate(await journal.activeShows(ACTIVE_SHOWS_MAX));
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, shows: registry, activeShows: (limit) => journal.activeShows(limit), stop };
}
