// An allocator over a test database, and people who ask it. One process can run several, each with a node id of its
// own, and crash any of them: nothing of a crashed one runs on but what its connections had already sent.

import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { type Allocator, type AllocatorOptions, startAllocator } from "../../allocator/main.ts";
import { type SmallCatalogueOptions, smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { importCatalogue } from "../../gateway/catalogue/import.ts";
import {
  type BookingId,
  bookingIdOf,
  type OperationId,
  type SessionId,
  type ShowId,
  type WaiterId,
  waiterIdOf,
} from "../../shared/kernel/ids.ts";
import { type AlignedClock, createAlignedClock } from "../../shared/platform/clock.ts";
import { createMetrics } from "../../shared/platform/metrics.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { sleepMs, systemTimers, type Timers } from "../../shared/platform/timers.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type {
  AcceptOffer,
  Command,
  ConfirmBooking,
  DeclineOffer,
  JoinWaitlist,
  LeaveWaitlist,
  LowerWaiter,
  Operation,
  PlaceHold,
  ReadWaiter,
  ReleaseHold,
  SeatChoice,
} from "../../shared/protocol/command.ts";
import type { BookingView, Moved, Reply, WaiterView } from "../../shared/protocol/reply.ts";
import type { TestDatabase } from "./postgres.ts";

const DAY_MS = 86_400_000;

/** A line of an allocator's log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export const LEVEL_ERROR = 50;

export interface TestNode {
  readonly nodeId: string;
  readonly port: AllocatorPort;
  readonly clock: AlignedClock;
  readonly lines: readonly LogLine[];
  /** Those at error level and above, but for `except`. */
  errors(except?: RegExp): readonly LogLine[];
  stop(): Promise<void>;
  /** As kill -9 would: no timer, no further statement, no answer. What was sent may still be committed. */
  crash(): void;
  /** Resolves when it has crashed. */
  readonly crashed: Promise<void>;
}

export type NodeOptions = Partial<
  Pick<AllocatorOptions, "payments" | "paymentLookUpAfterMs" | "defaults" | "sinks">
> & {
  readonly rules?: Partial<AllocatorOptions["rules"]>;
};

/** Tomorrow's shows; answers their ids. */
export async function putOnSale(pool: Pool, options: Partial<SmallCatalogueOptions> = {}): Promise<ShowId[]> {
  const document = smallCatalogue({ startsAt: Date.now() + DAY_MS, ...options });
  const imported = await importCatalogue(pool, document);
  if (imported.kind !== "imported") throw new Error(JSON.stringify(imported.issues));
  return Array.from({ length: options.shows ?? 1 }, (_, i) => smallShowId(i, options.prefix) as ShowId);
}

/** Timers that can be cut for good. */
function cuttableTimers(): { timers: Timers; cut: () => void } {
  let isCut = false;
  const unlessCut = (callback: () => void) => () => {
    if (!isCut) callback();
  };
  const timers: Timers = {
    ...systemTimers,
    setTimeout: (callback, delayMs) => systemTimers.setTimeout(unlessCut(callback), delayMs),
    setImmediate: (callback) => systemTimers.setImmediate(unlessCut(callback)),
  };
  return {
    timers,
    cut: () => {
      isCut = true;
    },
  };
}

/** As the system does for a killed process: each connection is closed when the statement it is in has ended. */
async function closeConnections(pool: Pool, nodeId: string): Promise<void> {
  await until(`the connections of ${nodeId} are closed`, async () => {
    const { rows } = await pool.query<{ idle: boolean }>(
      `SELECT state = 'idle' AND pg_terminate_backend(pid) AS idle FROM pg_stat_activity
       WHERE application_name = $1 AND datname = current_database()`,
      [`usher allocator ${nodeId}`],
    );
    return rows.length === 0;
  });
}

export async function startNode(
  t: { teardown(end: () => Promise<void>): void },
  database: TestDatabase,
  nodeId = "n1",
  options: NodeOptions = {},
): Promise<TestNode> {
  const lines: LogLine[] = [];
  const { timers, cut } = cuttableTimers();
  const clock = createAlignedClock();
  const allocator: Allocator = await startAllocator({
    databaseUrl: database.url,
    nodeId,
    rules: { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, ...options.rules },
    defaults: options.defaults ?? { holdTtlMs: 300_000, graceMs: 5_000, offerTtlMs: 120_000 },
    payments: options.payments,
    ...(options.paymentLookUpAfterMs === undefined ? {} : { paymentLookUpAfterMs: options.paymentLookUpAfterMs }),
    sinks: options.sinks ?? [],
    clock,
    timers,
    random: Math.random,
    log: pino({ level: "info" }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) }),
    metrics: createMetrics(),
  });
  let isOver = false;
  let tellCrashed: () => void = () => undefined;
  const crashed = new Promise<void>((resolve) => {
    tellCrashed = resolve;
  });
  const stop = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await allocator.stop();
  };
  t.teardown(stop);
  let dying: Promise<void> = Promise.resolve();
  t.teardown(() => dying);
  return {
    nodeId,
    port: allocator.port,
    clock,
    lines,
    errors: (except) => lines.filter((line) => line.level >= LEVEL_ERROR && except?.test(line.msg) !== true),
    stop,
    crash: () => {
      isOver = true;
      cut();
      tellCrashed();
      dying = closeConnections(database.pool, nodeId);
    },
    crashed,
  };
}

const randomId = (): string => randomBytes(17).toString("base64url").slice(0, 22);
export const newSession = (): SessionId => randomId() as SessionId;
let requests = 0;
/** Of a request of its own: another operation never has its fingerprint. */
export const newOperation = (): Operation => ({ id: randomId() as OperationId, requestHash: ++requests });

export const bySeats = (...seats: number[]): SeatChoice => ({ by: "seats", seats });
export const byQuantity = (quantity: number): SeatChoice => ({
  by: "quantity",
  quantity,
  category: undefined,
  accessible: false,
  contiguous: false,
});

export const placeHold = (choice: SeatChoice, session = newSession(), operation = newOperation()): PlaceHold => ({
  kind: "PlaceHold",
  session,
  operation,
  choice,
});

export const confirm = (
  bookingId: BookingId,
  session: SessionId,
  { operation = newOperation(), token = "pm_card_visa" } = {},
): ConfirmBooking => ({
  kind: "ConfirmBooking",
  session,
  operation,
  bookingId,
  paymentToken: token,
  contactEmail: undefined,
});

export const holdIdOf = (showId: ShowId, { operation }: PlaceHold): BookingId => bookingIdOf(showId, operation.id);

export const release = (
  bookingId: BookingId,
  session: SessionId,
  { operation = newOperation() } = {},
): ReleaseHold => ({
  kind: "ReleaseHold",
  session,
  operation,
  bookingId,
});

/** Joins for seats of the first category. */
export const joinLine = (
  quantity: number,
  session = newSession(),
  wish: Partial<Pick<JoinWaitlist, "operation" | "categories" | "accessible" | "contiguous">> = {},
): JoinWaitlist => ({
  kind: "JoinWaitlist",
  session,
  operation: newOperation(),
  quantity,
  categories: [0],
  accessible: false,
  contiguous: false,
  ...wish,
});

export const waiterIdIn = (showId: ShowId, { operation }: JoinWaitlist): WaiterId => waiterIdOf(showId, operation.id);

/** What somebody in line may ask about a place of their own. */
export class InLine {
  readonly waiterId: WaiterId;
  readonly session: SessionId;

  constructor(showId: ShowId, join: JoinWaitlist) {
    this.waiterId = waiterIdIn(showId, join);
    this.session = join.session;
  }

  #named(): { waiterId: WaiterId; session: SessionId; operation: Operation } {
    return { waiterId: this.waiterId, session: this.session, operation: newOperation() };
  }

  poll(): ReadWaiter {
    return { kind: "ReadWaiter", waiterId: this.waiterId, session: this.session };
  }

  lower(quantity: number): LowerWaiter {
    return { kind: "LowerWaiter", ...this.#named(), quantity };
  }

  leave(): LeaveWaitlist {
    return { kind: "LeaveWaitlist", ...this.#named() };
  }

  accept(seats?: readonly number[]): AcceptOffer {
    return { kind: "AcceptOffer", ...this.#named(), seats };
  }

  decline(): DeclineOffer {
    return { kind: "DeclineOffer", ...this.#named() };
  }
}

/** The booking of a reply; throws what it was instead. */
export function bookingIn(reply: Reply | Moved): BookingView {
  if (reply.kind !== "booking") throw new Error(`no booking but ${JSON.stringify(reply)}`);
  return reply.booking;
}

/** The waiter of a reply; throws what it was instead. */
export function waiterIn(reply: Reply | Moved): WaiterView {
  if (reply.kind !== "waiter") throw new Error(`no waiter but ${JSON.stringify(reply)}`);
  return reply.waiter;
}

/** What a reply says in one word: the booking's or waiter's status, the refusal's or the fault's code. */
export function wordOf(reply: Reply | Moved): string {
  switch (reply.kind) {
    case "booking":
      return reply.booking.status;
    case "waiter":
      return reply.waiter.status;
    case "refused":
      return reply.refusal.code;
    case "fault":
      return reply.fault.code;
    default:
      return reply.kind;
  }
}

export const ASK_MS = 20_000;
const RETRY_MS = 20;

/** As a gateway's client does: the same command again until it is answered by a booking or a refusal. */
export async function askUntilAnswered(
  port: () => AllocatorPort,
  showId: ShowId,
  command: Command,
  boundMs = 60_000,
): Promise<Reply> {
  const endsAt = performance.now() + boundMs;
  for (;;) {
    const reply = await port().ask(showId, command, ASK_MS);
    if (reply.kind !== "fault") return reply;
    if (performance.now() > endsAt) throw new Error(`${command.kind} is still ${JSON.stringify(reply)}`);
    await sleepMs(RETRY_MS, systemTimers);
  }
}

/** Looks until it is so, for a generous while. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, boundMs = 30_000): Promise<void> {
  const endsAt = performance.now() + boundMs;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`still not so after ${boundMs} ms: ${what}`);
    await sleepMs(10, systemTimers);
  }
}
