// One node's place in the cluster: joins, says that it lives, hears the others, judges the silent, leaves.
// M1: two witnesses: a node is set dead only if the bus is silent *and* Postgres agrees (membership-store.ts). Nothing
//     rests on this for safety: a wrong verdict costs a takeover, never a seat.
// M2: who was deaf judges nobody: after a stall of its own loop, a lost bus or a store that did not answer, a node first
//     listens as long as it would have waited for others.
// M3: whoever finds itself dead gives up its shows at once and comes back as its next incarnation; the second time within
//     a minute it waits before.
// M4: views only go forward. They come by the bus at once, and with every heartbeat in any case.

import type { Bus } from "../../shared/cluster/bus.ts";
import { HEARTBEATS, heartbeatSubject, VIEW_SUBJECT } from "../../shared/cluster/subjects.ts";
import type { ClusterView, Member } from "../../shared/cluster/view.ts";
import { memberOf, NO_VIEW, viewFrom, withMember, withoutMember } from "../../shared/cluster/view.ts";
import type { Log } from "../../shared/platform/log.ts";
import { sleepMs, type TimerHandle, type Timers } from "../../shared/platform/timers.ts";
import type { MembershipStore } from "./membership-store.ts";

const TICK_MS = 50;
const HEARTBEAT_MS = 100;
const BEAT_MS = 200;
/** Not heard for so long: suspected. */
export const SUSPECT_MS = 400;
/** A heartbeat in Postgres older than this is a witness. */
const STALE_MS = 500;
/** A tick that comes so late says that this process was not running. */
const STALL_MS = 250;
/** How long the store must have answered without a break before its heartbeats are believed to be old (M2). */
const LISTEN_MS = 700;
const JUDGE_AGAIN_MS = 100;
const VIEW_CHANGES_MAX = 50;
const REJOIN_SOON_MS = 60_000;
const REJOIN_PAUSE_MIN_MS = 1_000;
const REJOIN_PAUSE_MAX_MS = 30_000;

export interface HeartbeatFacts {
  /** Messages of updates published so far: who has heard fewer has missed some. */
  readonly updates: number;
  /** What of its dependencies does not answer. */
  readonly unready: readonly string[];
}

export interface Heartbeat extends HeartbeatFacts {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly view: number;
}

export interface MembershipOptions {
  readonly nodeId: string;
  readonly store: MembershipStore;
  readonly bus: Bus;
  readonly timers: Timers;
  /** Milliseconds, monotonic. */
  readonly reading: () => number;
  readonly random: () => number;
  readonly log: Log;
  readonly facts: () => HeartbeatFacts;
  /** Called with every newer view, in order; from the start on. */
  readonly onView: (view: ClusterView, previous: ClusterView) => void;
  /** A life begins: commands are taken under its number from now on. */
  readonly onIncarnation: (incarnation: number) => void;
  /** This life is over, the shows are others': give them up. */
  readonly onDeposed: () => void;
}

export class Membership {
  readonly #options: MembershipOptions;
  #view: ClusterView = NO_VIEW;
  #incarnation = 0;
  #state: "out" | "up" | "leaving" = "out";
  readonly #heardAt = new Map<string, number>();
  readonly #judgedAt = new Map<string, number>();
  #tickedAt = 0;
  #heartbeatAt = Number.NEGATIVE_INFINITY;
  #beatAt = Number.NEGATIVE_INFINITY;
  #storeSince = Number.POSITIVE_INFINITY;
  #isBeating = false;
  #timer: TimerHandle | undefined;
  #stops: (() => void)[] = [];
  #depositions = 0;
  #deposedAt = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get view(): ClusterView {
    return this.#view;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** Joins; rejects where the store cannot be asked. */
  async start(): Promise<void> {
    const { bus } = this.#options;
    this.#stops = [
      bus.subscribe(HEARTBEATS, ({ data }) => this.#hear(data)),
      bus.subscribe(VIEW_SUBJECT, ({ data }) => this.#hearView(data)),
      bus.onConnection((isConnected) => isConnected && this.#listenAnew()),
    ];
    await this.#join();
    this.#listenAnew();
    this.#tickedAt = this.#options.reading();
    this.#plan();
  }

  /** Takes no new shows from now on; the others hear of it. Rejects where the store cannot be asked. */
  async leave(): Promise<void> {
    if (this.#state !== "up") return;
    this.#state = "leaving";
    await this.#options.store.setState(this.#options.nodeId, this.#incarnation, "leaving");
    await this.#changeView((members) => withMember(members, this.#self("leaving")));
  }

  /** Out of the view, if the store can be asked; ends everything. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
    await Promise.all(this.#underWay);
    if (this.#state === "out") return;
    this.#state = "out";
    const { store, nodeId, log } = this.#options;
    try {
      await store.setState(nodeId, this.#incarnation, "dead");
      await this.#changeView((members) => withoutMember(members, this.#self("leaving")));
    } catch (error) {
      log.warn({ reason: String(error) }, "left without a word: the others will notice");
    }
  }

  /** Somebody knows a newer view. */
  lookUpView(): void {
    this.#keep(this.#readView());
  }

  #self(state: Member["state"]): Member {
    return { nodeId: this.#options.nodeId, incarnation: this.#incarnation, state };
  }

  async #join(): Promise<void> {
    const { store, nodeId, onIncarnation, log } = this.#options;
    this.#incarnation = await store.join(nodeId);
    onIncarnation(this.#incarnation);
    await this.#changeView((members) => withMember(members, this.#self("up")));
    this.#state = "up";
    log.info({ node_id: nodeId, incarnation: this.#incarnation, view: this.#view.version }, "joined the cluster");
  }

  /** Reads, changes, compares and sets, until it is so. */
  async #changeView(change: (members: readonly Member[]) => Member[]): Promise<void> {
    const { store, bus, random, timers } = this.#options;
    for (let attempt = 0; attempt < VIEW_CHANGES_MAX; attempt += 1) {
      const present = await store.view();
      this.#adopt(present);
      const members = change(present.members);
      if (JSON.stringify(members) === JSON.stringify(present.members)) return;
      if (await store.changeView(present.version, members)) {
        const changed: ClusterView = { version: present.version + 1, members };
        bus.publish(VIEW_SUBJECT, encode(changed));
        this.#adopt(changed);
        return;
      }
      await sleepMs(5 * (1 + random() * attempt), timers);
    }
    throw new Error("the view of the cluster changes too often");
  }

  #adopt(view: ClusterView): void {
    if (view.version <= this.#view.version) return;
    const previous = this.#view;
    this.#view = view;
    const now = this.#options.reading();
    for (const { nodeId, incarnation } of view.members) {
      // A newcomer is given the time that it takes to be heard.
      if (memberOf(previous, nodeId)?.incarnation !== incarnation) this.#heardAt.set(nodeId, now);
    }
    this.#options.onView(view, previous);
    const self = memberOf(view, this.#options.nodeId);
    if (this.#state !== "out" && self?.incarnation !== this.#incarnation) this.#keep(this.#onDeposed());
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.timers.setTimeout(() => {
      this.#tick();
      this.#plan();
    }, TICK_MS);
  }

  #tick(): void {
    const now = this.#options.reading();
    if (now - this.#tickedAt > STALL_MS + TICK_MS) this.#listenAnew();
    this.#tickedAt = now;
    if (this.#state === "out") return;
    if (now - this.#heartbeatAt >= HEARTBEAT_MS) this.#sayAlive(now);
    if (!this.#isBeating && now - this.#beatAt >= BEAT_MS) this.#keep(this.#beat(now));
    if (now - this.#storeSince < LISTEN_MS) return;
    for (const member of this.#view.members) this.#suspect(member, now);
  }

  #sayAlive(now: number): void {
    const { bus, nodeId, facts } = this.#options;
    this.#heartbeatAt = now;
    const heartbeat: Heartbeat = { nodeId, incarnation: this.#incarnation, view: this.#view.version, ...facts() };
    bus.publish(heartbeatSubject(nodeId), encode(heartbeat));
  }

  async #beat(now: number): Promise<void> {
    const { store, nodeId, reading } = this.#options;
    this.#isBeating = true;
    this.#beatAt = now;
    const incarnation = this.#incarnation;
    try {
      const { isAlive, viewVersion } = await store.beat(nodeId, incarnation);
      if (this.#storeSince === Number.POSITIVE_INFINITY || reading() - now > STALL_MS) this.#storeSince = reading();
      if (incarnation !== this.#incarnation || this.#isStopped) return;
      if (!isAlive) return await this.#onDeposed();
      if (viewVersion > this.#view.version) await this.#readView();
    } catch {
      // Nobody's heartbeat may have been written meanwhile (M2).
      this.#storeSince = Number.POSITIVE_INFINITY;
    } finally {
      this.#isBeating = false;
    }
  }

  #suspect(member: Member, now: number): void {
    const { nodeId } = member;
    if (nodeId === this.#options.nodeId) return;
    if (now - (this.#heardAt.get(nodeId) ?? now) < SUSPECT_MS) return;
    if (now - (this.#judgedAt.get(nodeId) ?? Number.NEGATIVE_INFINITY) < JUDGE_AGAIN_MS) return;
    this.#judgedAt.set(nodeId, now);
    this.#keep(this.#judge(member));
  }

  async #judge(member: Member): Promise<void> {
    const { store, log } = this.#options;
    try {
      if ((await store.judge(member, STALE_MS)) === "alive") return;
      log.warn({ node_id: member.nodeId, incarnation: member.incarnation }, "a node is dead: its shows move");
      await this.#changeView((members) => withoutMember(members, member));
    } catch (error) {
      log.debug({ reason: String(error) }, "a silent node could not be judged");
    }
  }

  async #onDeposed(): Promise<void> {
    const { reading, random, log, onDeposed } = this.#options;
    if (this.#state === "out") return;
    const now = reading();
    this.#depositions = now - this.#deposedAt < REJOIN_SOON_MS ? this.#depositions + 1 : 0;
    this.#deposedAt = now;
    const wasLeaving = this.#state === "leaving";
    this.#state = "out";
    log.error({ incarnation: this.#incarnation }, "deposed: the others hold this node for dead; it gives up its shows");
    onDeposed();
    // Nobody takes shows from a node that goes anyway.
    if (wasLeaving) return;
    for (let attempt = this.#depositions; !this.#isStopped; attempt += 1) {
      const pauseMs = attempt === 0 ? 0 : Math.min(REJOIN_PAUSE_MAX_MS, REJOIN_PAUSE_MIN_MS * 2 ** (attempt - 1));
      if (pauseMs > 0) await this.#unlessStopped(pauseMs * (0.5 + random()));
      if (this.#isStopped) return;
      try {
        return await this.#join();
      } catch (error) {
        log.warn({ reason: String(error) }, "cannot join again yet");
      }
    }
  }

  /** In steps, so that a stop need not wait for all of it. */
  async #unlessStopped(delayMs: number): Promise<void> {
    for (let left = delayMs; left > 0 && !this.#isStopped; left -= HEARTBEAT_MS) {
      await sleepMs(Math.min(left, HEARTBEAT_MS), this.#options.timers);
    }
  }

  async #readView(): Promise<void> {
    try {
      this.#adopt(await this.#options.store.view());
    } catch {
      // The next heartbeat says again that there is a newer one.
    }
  }

  #hear(data: Uint8Array): void {
    const heartbeat = decode(data) as Partial<Heartbeat> | undefined;
    if (typeof heartbeat?.nodeId !== "string" || typeof heartbeat.incarnation !== "number") return;
    const member = memberOf(this.#view, heartbeat.nodeId);
    // What an earlier life still says is no sign of this one.
    if (member?.incarnation === heartbeat.incarnation) this.#heardAt.set(member.nodeId, this.#options.reading());
    if (typeof heartbeat.view === "number" && heartbeat.view > this.#view.version) this.lookUpView();
  }

  #hearView(data: Uint8Array): void {
    const view = viewFrom(decode(data));
    if (view !== undefined) this.#adopt(view);
  }

  /** As if everybody had been heard just now (M2). */
  #listenAnew(): void {
    const now = this.#options.reading();
    for (const { nodeId } of this.#view.members) this.#heardAt.set(nodeId, now);
    if (this.#storeSince !== Number.POSITIVE_INFINITY) this.#storeSince = now;
  }

  #keep(work: Promise<unknown>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}

const encode = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

function decode(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
}
