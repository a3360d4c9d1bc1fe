// A journal in memory: fenced like the real one, and slow, failing or refusing where a test says so.

import { type Booking, isLive, isUnfinished, type OperationRecord } from "../../allocator/core/state.ts";
import type {
  BookedQuery,
  ClaimedShow,
  ClaimOutcome,
  ColdQuery,
  ColdRows,
  CommitEntry,
  CommitOutcome,
  Journal,
  Lease,
} from "../../allocator/journal/journal.ts";
import type { OperationId, ShowId } from "../../shared/kernel/ids.ts";
import type { Layout } from "../../shared/protocol/layout.ts";
import type { LogEntry } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { isWaiting, type Waiter } from "../../waitlist/core/waiter.ts";

export const TERMS: ShowTerms = {
  prices: [1_200],
  currency: "USD",
  startsAt: 1e12,
  salesCutoffAt: 1e12,
  holdTtlMs: 300_000,
  graceMs: 5_000,
  offerTtlMs: 120_000,
  waitlistPolicy: "strict",
  singleGap: "allow",
  gated: false,
  cancelled: false,
};

const SEATS = 10;

/** One row of ten seats. */
export const LAYOUT: Layout = {
  layout_id: "row",
  focus: { x: 4.5, y: 0 },
  seats: Array.from({ length: SEATS }, (_, index) => ({
    index,
    label: `A${index + 1}`,
    section: "",
    row: "A",
    number: index + 1,
    x: index,
    y: 0,
    category: "standard",
    accessible: false,
  })),
};

interface StoredShow {
  epoch: number;
  seq: number;
  lastAt: number;
  outageId: number;
  active: boolean;
  seats: string;
  readonly bookings: Map<string, Booking>;
  readonly waiters: Map<string, Waiter>;
  readonly operations: Map<OperationId, OperationRecord>;
  readonly log: LogEntry[];
}

type Call = "claim" | "layout" | "commit" | "fence" | "cold" | "booked" | "beat";

export class FakeJournal implements Journal {
  readonly shows = new Map<ShowId, StoredShow>();
  readonly calls: { readonly call: Call; readonly about: readonly string[] }[] = [];
  outages: { readonly id: number; readonly byMs: number }[] = [];
  /** Calls of these kinds reject, or for a commit: are `unknown` with nothing written. */
  readonly failing = new Set<Call>();
  readonly conflicting = new Set<ShowId>();
  catalogueTerms = TERMS;
  readonly #held = new Map<Call, Promise<void>>();

  /** Answers of this kind wait, after their work is done, until the function that is answered is called. */
  hold(call: Call): () => void {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held.set(call, held);
    return () => {
      if (this.#held.get(call) === held) this.#held.delete(call);
      release();
    };
  }

  count(call: Call): number {
    return this.calls.filter((made) => made.call === call).length;
  }

  /** Another owner takes the show. */
  steal(showId: ShowId): void {
    this.#show(showId).epoch += 1;
  }

  async claim(showIds: readonly ShowId[]): Promise<Map<ShowId, ClaimOutcome>> {
    this.#note("claim", showIds);
    const known = showIds.filter((showId) => !showId.startsWith("unknown"));
    const claimed = new Map<ShowId, ClaimOutcome>(known.map((showId) => [showId, this.#claimed(showId)]));
    await this.#held.get("claim");
    return claimed;
  }

  #claimed(showId: ShowId): ClaimedShow {
    const show = this.#show(showId);
    show.epoch += 1;
    const missed = this.outages.filter((outage) => outage.id > show.outageId);
    const bookings = [...show.bookings.values()].filter((booking) => isLive(booking) || isUnfinished(booking.payment));
    return {
      showId,
      epoch: show.epoch,
      seq: show.seq,
      lastAt: show.lastAt,
      outageId: show.outageId,
      missedOutages: {
        lastId: this.outages.at(-1)?.id ?? 0,
        byMs: missed.reduce((sum, outage) => sum + outage.byMs, 0),
      },
      layoutId: LAYOUT.layout_id,
      seats: show.seats,
      terms: TERMS,
      catalogueTerms: this.catalogueTerms,
      bookings: bookings.map((booking) => ({ ...booking })),
      waiters: [...show.waiters.values()]
        .filter(isWaiting)
        .sort((a, b) => a.place - b.place)
        .map((waiter) => ({ ...waiter })),
      rowIds: [...show.bookings.keys(), ...show.waiters.keys()].map((id) => id.slice(-22) as OperationId),
      operationIds: [...show.bookings.values()]
        .flatMap((booking) => (booking.payment === undefined ? [] : [booking.payment.operation]))
        .concat([...show.operations.keys()]),
    };
  }

  async activeShows(): Promise<ShowId[]> {
    return [...this.shows].filter(([, show]) => show.active).map(([showId]) => showId);
  }

  async layout(): Promise<Layout> {
    this.#note("layout", []);
    await this.#held.get("layout");
    return LAYOUT;
  }

  async commit(entries: readonly CommitEntry[]): Promise<CommitOutcome[]> {
    this.calls.push({ call: "commit", about: entries.map((entry) => entry.showId) });
    const outcomes = entries.map(
      (entry): CommitOutcome => (this.failing.has("commit") ? "unknown" : this.#write(entry)),
    );
    await this.#held.get("commit");
    return outcomes;
  }

  #write(entry: CommitEntry): CommitOutcome {
    if (this.conflicting.has(entry.showId)) return "conflict";
    const show = this.#show(entry.showId);
    if (show.epoch !== entry.epoch || show.seq !== entry.previousSeq) return "fenced";
    // As the table does it: a row has one life.
    if (entry.waiters.some((waiter) => (show.waiters.get(waiter.id)?.place ?? waiter.place) !== waiter.place)) {
      return "conflict";
    }
    Object.assign(show, {
      seq: entry.seq,
      lastAt: entry.lastAt,
      outageId: entry.outageId,
      active: entry.active,
      seats: entry.seats,
    });
    for (const waiter of show.waiters.values()) if (isWaiting(waiter)) waiter.expiresAt += entry.waitersMovedMs;
    for (const waiter of entry.waiters) show.waiters.set(waiter.id, { ...waiter });
    for (const booking of entry.bookings) show.bookings.set(booking.id, { ...booking });
    for (const operation of entry.operations) show.operations.set(operation.id, operation);
    for (const turn of entry.turns) show.log.push({ ...turn, epoch: entry.epoch });
    return "committed";
  }

  async fence(leases: readonly Lease[]): Promise<Set<ShowId>> {
    this.#note(
      "fence",
      leases.map((lease) => lease.showId),
    );
    const standing = leases.filter((lease) => this.#show(lease.showId).epoch === lease.epoch);
    await this.#held.get("fence");
    return new Set(standing.map((lease) => lease.showId));
  }

  async cold(queries: readonly ColdQuery[]): Promise<ColdRows[]> {
    this.#note(
      "cold",
      queries.map((query) => query.showId),
    );
    const rows = queries.map((query) => this.#cold(query));
    await this.#held.get("cold");
    return rows;
  }

  #cold({ showId, booking, waiter, operation }: ColdQuery): ColdRows {
    const { bookings, waiters, operations } = this.#show(showId);
    const paidOrPlaced = [...bookings.values()].find(
      (row) => operation !== undefined && (row.id.endsWith(operation) || row.payment?.operation === operation),
    );
    const joined = [...waiters.values()].find((row) => operation !== undefined && row.id.endsWith(operation));
    const copy = <Row>(row: Row | undefined): Row | undefined => row && { ...row };
    return {
      booking: copy(booking && bookings.get(booking)),
      operation: operation && operations.get(operation),
      operationBooking: copy(paidOrPlaced),
      waiter: copy(waiter && waiters.get(waiter)),
      operationWaiter: copy(joined),
    };
  }

  async booked(queries: readonly BookedQuery[]): Promise<Booking[][]> {
    this.#note(
      "booked",
      queries.map((query) => query.showId),
    );
    const rows = queries.map(({ showId, limit }) =>
      [...this.#show(showId).bookings.values()]
        .filter((booking) => booking.status === "booked")
        .slice(0, limit)
        .map((booking) => ({ ...booking })),
    );
    await this.#held.get("booked");
    return rows;
  }

  async terms(): Promise<ShowTerms> {
    return this.catalogueTerms;
  }

  async log(showId: ShowId, after: number, limit: number): Promise<LogEntry[]> {
    return this.#show(showId)
      .log.filter((entry) => entry.seq > after)
      .slice(0, limit);
  }

  beat(): Promise<never> {
    throw new Error("a test of the registry has no beat");
  }

  #note(call: Call, about: readonly string[]): void {
    this.calls.push({ call, about });
    if (this.failing.has(call)) throw new Error(`${call}: the store is away`);
  }

  #show(showId: ShowId): StoredShow {
    const known = this.shows.get(showId);
    if (known !== undefined) return known;
    const show: StoredShow = {
      epoch: 0,
      seq: 1,
      lastAt: 0,
      outageId: this.outages.at(-1)?.id ?? 0,
      active: false,
      seats: "0".repeat(SEATS),
      bookings: new Map(),
      waiters: new Map(),
      operations: new Map(),
      log: [],
    };
    this.shows.set(showId, show);
    return show;
  }
}
