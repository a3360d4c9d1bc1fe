// One node's place in the cluster: joins, says that it lives, hears the others, judges the silent, leaves.
// M1: two witnesses: a node is set dead only if the bus is silent *and* Postgres agrees (membership-store.ts). Nothing
//     rests on this for safety: a wrong verdict costs a takeover, never a seat.
// M2: who was deaf judges nobody: after a stall of its own loop, a lost bus or a store that did not answer, a node first
//     listens as long as it would have waited for others. A judgement holds only while the store itself has not stood
//     still since this node's own last beat: else everybody's beats are old.
// M3: whoever finds itself dead gives up its shows at once and comes back as its next incarnation; the second time within
//     a minute it waits before. Who leaves does not come back.
// M4: views only go forward. They come by the bus at once, and with every heartbeat in any case.
// M5: a change of the view never brings back a life that is over, nor puts an earlier one in the place of a later.

import type { Bus } from "../../shared/cluster/bus.ts";
import { HEARTBEATS, heartbeatSubject, VIEW_SUBJECT } from "../../shared/cluster/subjects.ts";
import type { ClusterView, Member } from "../../shared/cluster/view.ts";
import { hasMember, NO_VIEW, viewFrom, withMember, withoutMember } from "../../shared/cluster/view.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { Hearing } from "./hearing.ts";
import { decodeJson, encodeJson, type Heartbeat, type HeartbeatFacts, heartbeatFrom } from "./heartbeat.ts";
import type { MembershipStore } from "./membership-store.ts";
import { changeView } from "./view-change.ts";

const TICK_MS = 50;
const HEARTBEAT_MS = 100;
const BEAT_MS = 200;
/** A heartbeat in Postgres older than this is a witness. */
const STALE_MS = 500;
/** By Postgres's clock, after this node's own last beat, a judgement still counts (M2). */
const JUDGE_WITHIN_MS = 500;
/** A tick that comes so late says that this process was not running. */
const STALL_MS = 250;
/** How long the store must have answered without a break before its heartbeats are believed to be old (M2). */
const LISTEN_MS = 700;
const REJOIN_SOON_MS = 60_000;
const REJOIN_PAUSE_MIN_MS = 1_000;
const REJOIN_PAUSE_MAX_MS = 30_000;
/** Where the store could not be asked. */
const REJOIN_AGAIN_MS = 500;

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
  /** Nobody else is this node: who was deposed comes back only then. */
  readonly hasLock: () => boolean;
  /** Called with every newer view, in order; from the start on. */
  readonly onView: (view: ClusterView) => void;
  /** A life begins: commands are taken under its number from now on. */
  readonly onIncarnation: (incarnation: number) => void;
  /** This life is over, the shows are others': give them up. */
  readonly onDeposed: () => void;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #hearing: Hearing;
  #view: ClusterView = NO_VIEW;
  #incarnation = 0;
  #state: "out" | "up" | "leaving" = "out";
  #tickedAt = 0;
  #heartbeatAt = Number.NEGATIVE_INFINITY;
  #beatAt = Number.NEGATIVE_INFINITY;
  /** Postgres's clock at the last beat. */
  #storeNowMs = 0;
  #storeSince = Number.POSITIVE_INFINITY;
  #isBeating = false;
  #isReading = false;
  readonly #judging = new Set<string>();
  #timer: TimerHandle | undefined;
  #stops: (() => void)[] = [];
  #depositions = 0;
  #deposedAt = Number.NEGATIVE_INFINITY;
  /** Leaves, or stops: it joins no more. */
  #isGoing = false;
  #isStopped = false;
  #joining: Promise<void> = Promise.resolve();
  #endPause: () => void = () => undefined;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#hearing = new Hearing(options.nodeId);
  }

  get view(): ClusterView {
    return this.#view;
  }

  /** Of the life it leads; 0: none. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /** Joins; rejects where the store cannot be asked: then stop it. */
  async start(): Promise<void> {
    const { bus } = this.#options;
    this.#stops = [
      bus.subscribe(HEARTBEATS, ({ data }) => this.#hear(data)),
      bus.subscribe(VIEW_SUBJECT, ({ data }) => this.#hearView(data)),
      bus.onConnection((isConnected) => isConnected && this.#listenAnew()),
    ];
    const joining = this.#join();
    this.#joining = joining.catch(() => undefined);
    await joining;
    this.#listenAnew();
    this.#tickedAt = this.#options.reading();
    this.#plan();
  }

  /** Takes no new shows from now on; the others hear of it. Rejects where the store cannot be asked. */
  async leave(): Promise<void> {
    this.#isGoing = true;
    this.#endPause();
    await this.#joining;
    if (this.#state !== "up") return;
    this.#state = "leaving";
    const self = this.#self("leaving");
    await this.#options.store.setState(self.nodeId, self.incarnation, "leaving");
    await this.#changeView((members) => (hasMember(members, self) ? withMember(members, self) : members));
  }

  /** Out of the view, if the store can be asked; ends everything. */
  async stop(): Promise<void> {
    this.#isGoing = true;
    this.#isStopped = true;
    this.#endPause();
    this.#options.timers.clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
    await this.#joining;
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    if (this.#state === "out") return;
    const self = this.#self("leaving");
    this.#state = "out";
    this.#incarnation = 0;
    const { store, nodeId, log } = this.#options;
    try {
      await store.setState(nodeId, self.incarnation, "dead");
      await this.#changeView((members) => withoutMember(members, self));
    } catch (error) {
      log.warn({ reason: String(error) }, "left without a word: the others will notice");
    }
  }

  #self(state: Member["state"]): Member {
    return { nodeId: this.#options.nodeId, incarnation: this.#incarnation, state };
  }

  async #join(): Promise<void> {
    const { store, nodeId, onIncarnation, log } = this.#options;
    const incarnation = await store.join(nodeId);
    if (this.#isGoing) return;
    this.#incarnation = incarnation;
    onIncarnation(incarnation);
    const self = this.#self("up");
    try {
      await this.#changeView((members) => withMember(members, self));
    } catch (error) {
      // The view may have it all the same: without a life, nothing in it is this node's.
      this.#incarnation = 0;
      throw error;
    }
    this.#state = "up";
    log.info({ node_id: nodeId, incarnation, view: this.#view.version }, "joined the cluster");
    // Set dead on the way, or another life of this node has begun.
    if (!hasMember(this.#view.members, self)) this.#onDeposed();
  }

  #changeView(change: (members: readonly Member[]) => readonly Member[]): Promise<void> {
    return changeView({ ...this.#options, adopt: (view) => this.#adopt(view) }, change);
  }

  #adopt(view: ClusterView): void {
    if (view.version <= this.#view.version) return;
    this.#view = view;
    this.#hearing.adopt(view, this.#options.reading());
    this.#options.onView(view);
    if (this.#state !== "out" && !hasMember(view.members, this.#self("up"))) this.#onDeposed();
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
    if (now - this.#storeSince < LISTEN_MS || !this.#options.bus.isConnected()) return;
    for (const member of this.#hearing.suspects(now)) {
      if (!this.#judging.has(member.nodeId)) this.#keep(this.#judge(member));
    }
  }

  #sayAlive(now: number): void {
    const { bus, nodeId, facts } = this.#options;
    this.#heartbeatAt = now;
    const heartbeat: Heartbeat = { nodeId, incarnation: this.#incarnation, view: this.#view.version, ...facts() };
    bus.publish(heartbeatSubject(nodeId), encodeJson(heartbeat));
  }

  async #beat(now: number): Promise<void> {
    const { store, nodeId, reading } = this.#options;
    this.#isBeating = true;
    this.#beatAt = now;
    const incarnation = this.#incarnation;
    try {
      const { isAlive, viewVersion, storeNowMs } = await store.beat(nodeId, incarnation);
      this.#storeNowMs = storeNowMs;
      if (this.#storeSince === Number.POSITIVE_INFINITY || reading() - now > STALL_MS) this.#storeSince = reading();
      if (incarnation !== this.#incarnation || this.#isStopped) return;
      if (!isAlive) this.#onDeposed();
      else if (viewVersion > this.#view.version) this.#readView();
    } catch {
      // Nobody's heartbeat may have been written meanwhile (M2).
      this.#storeSince = Number.POSITIVE_INFINITY;
    } finally {
      this.#isBeating = false;
    }
  }

  async #judge(member: Member): Promise<void> {
    const { store, log } = this.#options;
    const rests = { staleMs: STALE_MS, untilStoreMs: this.#storeNowMs + JUDGE_WITHIN_MS };
    this.#judging.add(member.nodeId);
    try {
      if ((await store.judge(member, rests)) === "alive") return;
      log.warn({ node_id: member.nodeId, incarnation: member.incarnation }, "a node is dead: its shows move");
      await this.#changeView((members) => withoutMember(members, member));
    } catch (error) {
      log.debug({ reason: String(error) }, "a silent node could not be judged");
    } finally {
      this.#judging.delete(member.nodeId);
    }
  }

  #onDeposed(): void {
    const { reading, random, log, onDeposed } = this.#options;
    if (this.#state === "out") return;
    const now = reading();
    this.#depositions = now - this.#deposedAt < REJOIN_SOON_MS ? this.#depositions + 1 : 0;
    this.#deposedAt = now;
    log.error({ incarnation: this.#incarnation }, "deposed: the others hold this node for dead; it gives up its shows");
    this.#state = "out";
    this.#incarnation = 0;
    onDeposed();
    // Nobody takes shows from a node that goes anyway.
    if (this.#isGoing) return;
    const backOffMs = Math.min(REJOIN_PAUSE_MAX_MS, REJOIN_PAUSE_MIN_MS * 2 ** (this.#depositions - 1));
    this.#joining = this.#rejoin(this.#depositions === 0 ? 0 : backOffMs * (0.5 + random()));
  }

  async #rejoin(pauseMs: number): Promise<void> {
    const { hasLock, random, log } = this.#options;
    for (let nextMs = pauseMs; ; nextMs = REJOIN_AGAIN_MS * (0.5 + random())) {
      if (nextMs > 0) await this.#pause(nextMs);
      if (this.#isGoing) return;
      if (!hasLock()) continue;
      try {
        return await this.#join();
      } catch (error) {
        log.warn({ reason: String(error) }, "cannot join again yet");
      }
    }
  }

  /** Ends at once when the node goes. */
  #pause(delayMs: number): Promise<void> {
    const { timers } = this.#options;
    return new Promise((resolve) => {
      if (this.#isGoing) return resolve();
      const handle = timers.setTimeout(resolve, delayMs);
      this.#endPause = () => {
        timers.clearTimeout(handle);
        resolve();
      };
    });
  }

  /** One at a time; what fails is asked again with the next heartbeat that says there is a newer one. */
  #readView(): void {
    if (this.#isReading || this.#isStopped) return;
    this.#isReading = true;
    const reading = this.#options.store.view().then(
      (view) => view,
      () => undefined,
    );
    this.#keep(
      reading.then((view) => {
        this.#isReading = false;
        if (view !== undefined) this.#adopt(view);
      }),
    );
  }

  #hear(data: Uint8Array): void {
    const heartbeat = heartbeatFrom(data);
    if (heartbeat === undefined) return;
    this.#hearing.hear(heartbeat.nodeId, heartbeat.incarnation, this.#options.reading());
    if (heartbeat.view > this.#view.version) this.#readView();
  }

  #hearView(data: Uint8Array): void {
    const view = viewFrom(decodeJson(data));
    if (view !== undefined) this.#adopt(view);
  }

  /** As if everybody had been heard just now (M2). */
  #listenAnew(): void {
    const now = this.#options.reading();
    this.#hearing.listenAnew(now);
    if (this.#storeSince !== Number.POSITIVE_INFINITY) this.#storeSince = now;
  }

  #keep(work: Promise<unknown>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }
}
