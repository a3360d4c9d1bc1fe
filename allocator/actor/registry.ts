// The shows this node owns: activates each once, hands it its commands, lets idle ones go.
// Z1: a show is loading or live, never twice: commands that come while it loads wait in its mailbox, bounded.
// Z2: nothing is loaded and no turn is taken while the store is away (see store-watch.ts), nor with what was read from
//     it before it was.
// Z3: a show that the store refused (`conflict`) is quarantined: it answers a fault and is not loaded again by this
//     process. Somebody must look (`usher audit`).
// Z4: a show in which something has a deadline is never forgotten: when its actor ends, or cannot be loaded, it is
//     loaded again without anybody asking, as long as it is this node's.
// Z5: what is loaded is served until another node claims it, or nothing is going on in it; only what is this node's is
//     loaded. (W1 of ownership.ts)

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import type { Fault, Moved, Reply } from "../../shared/protocol/reply.ts";
import { sameTerms } from "../../shared/protocol/terms.ts";
import type { ShowCommand } from "../core/command.ts";
import type { Rules } from "../core/decision.ts";
import type { Hall } from "../core/hall.ts";
import type { Booking } from "../core/state.ts";
import type { GroupCommit } from "../journal/group-commit.ts";
import type { ClaimedShow, Journal } from "../journal/journal.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { Halls } from "./halls.ts";
import { loadShow } from "./load-show.ts";
import { type Ownership, SOLE_OWNERSHIP } from "./ownership.ts";
import { type ActorSurroundings, AGAIN, type Answer, type DeathCause, ShowActor } from "./show-actor.ts";
import { type StoreAsks, storeAsks } from "./store-asks.ts";

/** Commands a loading show keeps waiting. */
const MAILBOX_MAX = 10_000;
/** Idle shows kept in memory unless told otherwise; the one idle longest goes first. */
const SHOWS_MAX = 100_000;
const STORE_AWAY_RETRY_MS = 200;
const LOAD_RETRY_MS = 1_000;
/** Somebody else has claimed the show and keeps its deadlines; two owners must not steal it in turn without pause. */
const FENCED_RETRY_MS = 1_000;
/** A show whose turns keep failing is not loaded for ever. */
const BUGS_MAX = 5;
const BUG_RETRY_MS = 1_000;

export interface RegistryOptions {
  readonly journal: Journal;
  readonly commits: GroupCommit;
  readonly timers: Timers;
  readonly now: () => number;
  readonly rules: Rules;
  readonly log: Log;
  readonly isStoreOpen: () => boolean;
  readonly paymentsAvailable: () => boolean;
  readonly onCommitted: ActorSurroundings["onCommitted"];
  readonly onUnfinished: (bookings: readonly Booking[]) => void;
  readonly ownership?: Pick<Ownership, "isMine" | "moved">;
  /** Claims and loads of shows that were this node's: the others hear of it. */
  readonly onClaimed?: (showId: ShowId, epoch: number) => void;
  readonly showsMax?: number;
}

interface Read {
  readonly claimed: ClaimedShow;
  readonly hall: Hall;
}

type Found = ShowActor | Reply | Moved | typeof AGAIN;
type Waiting = (found: Found) => void;
type Slot =
  | { readonly kind: "loading"; readonly mailbox: Waiting[] }
  | { readonly kind: "live"; readonly actor: ShowActor };

export class Registry {
  readonly #options: RegistryOptions;
  /** Least recently asked first. */
  readonly #slots = new Map<ShowId, Slot>();
  readonly #quarantined = new Set<ShowId>();
  readonly #bugs = new Map<ShowId, number>();
  readonly #halls: Halls;
  readonly #asks: StoreAsks;
  readonly #deadlines: DeadlineTimer;
  readonly #around: ActorSurroundings;
  readonly #ownership: Pick<Ownership, "isMine" | "moved">;
  /** Counts `dropAll`: a show that was read before one may not know of the outage. */
  #drops = 0;

  constructor(options: RegistryOptions) {
    const { journal, timers } = options;
    this.#options = options;
    this.#halls = new Halls(journal);
    this.#ownership = options.ownership ?? SOLE_OWNERSHIP;
    this.#asks = storeAsks(journal, timers);
    this.#deadlines = new DeadlineTimer({ timers, now: options.now, wake: (showId) => this.#tick(showId) });
    this.#around = this.#surroundings();
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Shows in which something is under way or has a deadline: what a node that leaves waits to be rid of. */
  busyCount(): number {
    let count = 0;
    for (const slot of this.#slots.values()) if (slot.kind === "loading" || !slot.actor.isIdle()) count += 1;
    return count;
  }

  /** Who is in the lines of the shows in memory now. A walk over all of them. */
  inLines(): { readonly waiting: number; readonly offered: number } {
    let [waiting, offered] = [0, 0];
    for (const slot of this.#slots.values()) {
      const line = slot.kind === "live" ? slot.actor.line : undefined;
      if (line === undefined) continue;
      waiting += line.waitingCount;
      offered += line.activeCount - line.waitingCount;
    }
    return { waiting, offered };
  }

  /** One command to one show; `reply` is called once. `AGAIN`: the show has to be loaded anew, ask again. */
  take(showId: ShowId, command: ShowCommand | "ReadSeatMap", reply: (answer: Answer) => void): void {
    if (!this.#options.isStoreOpen()) return reply(fault("store_unavailable"));
    this.#withActor(showId, (actor) => {
      if (!(actor instanceof ShowActor)) reply(actor);
      else if (command === "ReadSeatMap") actor.readSeatMap(reply);
      else actor.take(command, reply);
    });
  }

  isLive(showId: ShowId): boolean {
    return this.#slots.get(showId)?.kind === "live";
  }

  /** Another node has claimed the show, by this epoch: what this one has of it is of the past. */
  release(showId: ShowId, epoch: number): void {
    const slot = this.#slots.get(showId);
    if (slot?.kind === "live" && slot.actor.epoch < epoch) slot.actor.die("fenced");
  }

  /**
   * Loads these shows now, in bulk, or as soon as it can be done (Z4): what a takeover does with the active ones.
   * Resolves when each has been loaded or could not be.
   */
  async activate(showIds: readonly ShowId[]): Promise<void> {
    await Promise.all(
      showIds.map(
        (showId) =>
          new Promise<void>((resolve) => {
            this.#withActor(showId, (found) => {
              if (mayBeLoadedLater(found)) this.#deadlines.plan(showId, this.#options.now() + LOAD_RETRY_MS);
              resolve();
            });
          }),
      ),
    );
  }

  /** Ends every actor; each show is claimed and loaded anew, idle ones when next asked. Commits under way still count. */
  dropAll(): void {
    this.#drops += 1;
    for (const slot of [...this.#slots.values()]) if (slot.kind === "live") slot.actor.die("dropped");
  }

  /** No more turns by deadline. Commits under way are the group commit's. */
  stop(): void {
    this.#deadlines.stop();
  }

  #surroundings(): ActorSurroundings {
    const { commits, now, rules, paymentsAvailable, onCommitted, onUnfinished, isStoreOpen } = this.#options;
    return {
      now,
      rules,
      paymentsAvailable,
      ready: (participant) => commits.ready(participant),
      isOwner: (showId, epoch) => this.#asks.fences.ask({ showId, epoch }),
      cold: async (query) => {
        const rows = await this.#asks.colds.ask(query);
        // The turn that follows would settle what is due (Z2).
        if (!isStoreOpen()) throw new Error("the store went away");
        return rows;
      },
      booked: async (query) => {
        const rows = await this.#asks.booked.ask(query);
        if (!isStoreOpen()) throw new Error("the store went away");
        return rows;
      },
      onCommitted,
      onUnfinished,
      onDead: (showId, cause, error) => this.#onDead(showId, cause, error),
      onDeadline: (showId, at) => this.#deadlines.plan(showId, at),
    };
  }

  #withActor(showId: ShowId, then: Waiting): void {
    const slot = this.#slots.get(showId);
    if (slot?.kind === "live") {
      if (!this.#ownership.isMine(showId) && slot.actor.isIdle()) {
        this.#slots.delete(showId);
        return then(this.#ownership.moved(showId));
      }
      // Moves it behind the others: the Map's order is that of the last asking.
      this.#slots.delete(showId);
      this.#slots.set(showId, slot);
      return then(slot.actor);
    }
    if (this.#quarantined.has(showId)) return then(fault("show_quarantined"));
    if (slot?.kind === "loading") {
      if (slot.mailbox.length >= MAILBOX_MAX) return then(fault("overloaded"));
      slot.mailbox.push(then);
      return;
    }
    if (!this.#ownership.isMine(showId)) return then(this.#ownership.moved(showId));
    const loading: Slot = { kind: "loading", mailbox: [then] };
    this.#slots.set(showId, loading);
    this.#passivate();
    void this.#load(showId, loading.mailbox);
  }

  async #load(showId: ShowId, mailbox: Waiting[]): Promise<void> {
    let read: Read | Exclude<Found, ShowActor>;
    let drops: number;
    do {
      drops = this.#drops;
      read = await this.#read(showId);
    } while (isRead(read) && drops !== this.#drops);
    // From here to the mailbox nothing waits, so nothing can happen in between.
    if (isRead(read) && !this.#options.isStoreOpen()) read = fault("store_unavailable");
    const found = isRead(read) ? this.#open(read) : read;
    if (found instanceof ShowActor) this.#slots.set(showId, { kind: "live", actor: found });
    else this.#slots.delete(showId);
    for (const then of mailbox) then(found);
  }

  async #read(showId: ShowId): Promise<Read | Reply | typeof AGAIN> {
    try {
      const claimed = await this.#asks.claims.ask(showId);
      if (claimed === "unknown_show") return { kind: "refused", refusal: { code: "not_found" } };
      if (claimed === "newer_view") return AGAIN;
      return { claimed, hall: await this.#halls.find(claimed.layoutId) };
    } catch (error) {
      this.#options.log.warn({ show_id: showId, reason: String(error) }, "show could not be loaded");
      return fault("store_unavailable");
    }
  }

  /** The actor of a claimed show, with what must be recorded before anything else happens. */
  #open({ claimed, hall }: Read): ShowActor | typeof AGAIN {
    const state = loadShow(claimed, hall, this.#options.now());
    const { missedOutages } = claimed;
    const hasDeadlines = state.deadlines.size > 0 || claimed.waiters.length > 0;
    const mustMove = missedOutages.byMs > 0 && hasDeadlines;
    if (!mustMove) state.outageId = missedOutages.lastId;
    const actor = new ShowActor(state, claimed.epoch, this.#around);
    // As it was committed: the turns below may settle what is due.
    const unfinished = actor.unfinished();
    if (mustMove) {
      actor.take({ kind: "MoveDeadlines", byMs: missedOutages.byMs, outageId: missedOutages.lastId }, () => undefined);
    }
    if (!sameTerms(claimed.terms, claimed.catalogueTerms)) {
      actor.take({ kind: "ChangeTerms", terms: claimed.catalogueTerms, atLoad: true }, () => undefined);
    }
    // A bug in its first turn has ended it already.
    if (actor.isDead) return AGAIN;
    this.#options.onClaimed?.(claimed.showId, claimed.epoch);
    this.#resync(claimed, actor.queuedSeats());
    this.#deadlines.plan(claimed.showId, actor.nextDeadlineAt());
    if (unfinished.length > 0) this.#options.onUnfinished(unfinished);
    return actor;
  }

  /**
   * A commit whose outcome was unknown may have happened, and nobody was told. A reload, of a new
   * epoch, sends every view back to a snapshot and every parked poll of the show back to reading.
   */
  #resync({ showId, epoch, seq }: ClaimedShow, queued: number): void {
    const nothing = { changes: [], touched: [] };
    this.#options.onCommitted({ showId, epoch, previous: seq, version: seq, ...nothing, queued, isReload: true });
  }

  #tick(showId: ShowId): void {
    if (!this.#options.isStoreOpen()) {
      // Nothing is settled now; look again when the store may be back.
      this.#deadlines.plan(showId, this.#options.now() + STORE_AWAY_RETRY_MS);
      return;
    }
    const slot = this.#slots.get(showId);
    // An actor that ended is loaded again, and loading may yet fail (Z4).
    if (slot?.kind !== "live") {
      void this.activate([showId]);
      return;
    }
    slot.actor.tick();
    this.#deadlines.plan(showId, slot.actor.nextDeadlineAt());
  }

  #onDead(showId: ShowId, cause: DeathCause, error: unknown): void {
    const slot = this.#slots.get(showId);
    if (slot?.kind === "live") this.#slots.delete(showId);
    if (cause === "bug") this.#options.log.error({ show_id: showId, err: error }, "a turn failed an assertion");
    else if (cause !== "dropped") this.#options.log.warn({ show_id: showId, cause }, "actor ended");
    const bugs = (this.#bugs.get(showId) ?? 0) + (cause === "bug" ? 1 : 0);
    if (bugs > 0) this.#bugs.set(showId, bugs);
    if (cause === "conflict" || bugs >= BUGS_MAX) {
      this.#quarantined.add(showId);
      this.#options.log.error({ show_id: showId, cause }, "show is quarantined: run the audit");
      return;
    }
    if (cause !== "bug" && slot?.kind === "live" && slot.actor.isIdle()) return;
    // Somebody may hold seats in it (Z4).
    const pauseMs = cause === "fenced" ? FENCED_RETRY_MS : bugs * BUG_RETRY_MS;
    this.#deadlines.plan(showId, this.#options.now() + pauseMs);
  }

  #passivate(): void {
    if (this.#slots.size <= (this.#options.showsMax ?? SHOWS_MAX)) return;
    for (const [showId, slot] of this.#slots) {
      if (slot.kind !== "live" || !slot.actor.isIdle()) continue;
      this.#slots.delete(showId);
      return;
    }
  }
}

const fault = (code: Fault["code"]): Reply => ({
  kind: "fault",
  fault: { code, outcome: "none", retryAfterMs: 1_000 },
});

const isRead = (read: Read | Exclude<Found, ShowActor>): read is Read => typeof read === "object" && "claimed" in read;

const mayBeLoadedLater = (found: Found): boolean => {
  if (found === AGAIN) return true;
  return !(found instanceof ShowActor) && found.kind === "fault" && found.fault.code !== "show_quarantined";
};
