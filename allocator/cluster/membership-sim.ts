// For tests: a small cluster under random faults, one seed a story: nodes are killed, started again, stand still, leave;
// the bus and the store lose, delay, are cut, go away and stand still. What must hold is checked at every step, and at
// the end, when the faults are over, that exactly those who live are in the view.

import { FakeNet } from "../../shared/cluster/fake-bus.ts";
import { type ClusterView, hasMember } from "../../shared/cluster/view.ts";
import type { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import { FakeMembershipStore } from "./fake-membership-store.ts";
import { FakeProcess } from "./fake-process.ts";
import { Membership } from "./membership.ts";

export interface SimTime extends Timers {
  now(): number;
  pass(ms: number): Promise<void>;
}

export interface SimOptions {
  readonly random: SeededRandom;
  readonly time: SimTime;
  readonly log: Log;
  readonly nodes: number;
  readonly steps: number;
}

const STEP_MAX_MS = 400;
/** Longer than the longest pause before a node comes back, by half. */
const CALM_MS = 60_000;

interface Life {
  readonly nodeId: string;
  readonly process: FakeProcess;
  readonly membership: Membership;
  readonly bus: ReturnType<FakeNet["connect"]>;
  readonly store: ReturnType<FakeMembershipStore["connect"]>;
  /** `ended`: left, killed, or never got in. */
  state: "running" | "leaving" | "ended";
}

export class MembershipSim {
  readonly #options: SimOptions;
  readonly #net: FakeNet;
  readonly #store: FakeMembershipStore;
  readonly #lives = new Map<string, Life>();
  readonly problems: string[] = [];
  /** How often each thing happened. */
  readonly counts = new Map<string, number>();

  constructor(options: SimOptions) {
    this.#options = options;
    const { time, random } = options;
    const after = (delayMs: number, callback: () => void): void => void time.setTimeout(callback, delayMs);
    this.#net = new FakeNet({ now: () => time.now(), after, random: () => random.below(1_000_000) / 1_000_000 });
    this.#net.keepsPublished = false;
    this.#store = new FakeMembershipStore({ now: () => time.now(), after });
  }

  async run(): Promise<void> {
    const { random, nodes, steps, time } = this.#options;
    for (let i = 0; i < nodes; i += 1) this.#start(`n${i}`);
    await time.pass(1_500);
    for (let i = 0; i < steps; i += 1) {
      this.#fault(`n${random.below(nodes)}`);
      await time.pass(1 + random.below(STEP_MAX_MS));
      this.#check();
    }
    this.#calm();
    await this.#pass(CALM_MS);
    this.#check();
    this.#checkEnd();
    await this.#end();
  }

  /** In steps: what goes on without a timer comes to set one. */
  async #pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i += 50) await this.#options.time.pass(50);
  }

  #start(nodeId: string): void {
    const { time, random, log } = this.#options;
    const process = new FakeProcess(time);
    const bus = this.#net.connect(nodeId, process.run);
    const store = this.#store.connect(process.run);
    let version = 0;
    const membership: Membership = new Membership({
      nodeId,
      store,
      bus,
      timers: process.timers,
      reading: () => time.now(),
      random: () => random.below(1_000) / 1_000,
      log,
      facts: () => ({ updates: 0, unready: [] }),
      hasLock: () => this.#store.locks.has(nodeId),
      onView: (view: ClusterView) => {
        if (view.version <= version) this.#problem(`${nodeId} went from view ${version} to ${view.version}`);
        version = view.version;
      },
      onIncarnation: () => this.#count("lives"),
      onDeposed: () => this.#count("deposed"),
    });
    const life: Life = { nodeId, process, membership, bus, store, state: "running" };
    this.#lives.set(nodeId, life);
    this.#store.locks.add(nodeId);
    void membership.start().catch(async () => {
      if (this.#lives.get(nodeId) === life) life.state = "ended";
      await membership.stop();
      if (this.#lives.get(nodeId) === life) this.#store.locks.delete(nodeId);
    });
  }

  #fault(nodeId: string): void {
    const { random } = this.#options;
    const life = this.#lives.get(nodeId) as Life;
    const other = `n${random.below(this.#options.nodes)}`;
    if (life.state === "ended") return this.#start(nodeId);
    const faults: readonly (() => void)[] = [
      () => this.#kill(life),
      () => this.#leave(life),
      () => life.process.stand(),
      () => life.process.goOn(),
      () => life.bus.connect(!life.bus.isConnected()),
      () => this.#net.cut(nodeId, other),
      () => this.#net.heal(),
      () => {
        life.store.trouble = random.pick(["none", "none", "away", "mute"] as const);
      },
      () => {
        life.store.latencyMs = random.pick([0, 1, 5, 60, 300]);
      },
      () => {
        this.#net.lossShare = random.pick([0, 0, 0.05, 0.5]);
        this.#net.delayMaxMs = random.pick([0, 2, 20, 150]);
      },
      () => this.#store.stand(),
      () => this.#store.goOn(),
      () => this.#store.goOn(),
      () => this.#toggleLock(life),
    ];
    random.pick(faults)();
  }

  #kill(life: Life): void {
    this.#count("killed");
    life.state = "ended";
    life.process.kill();
    life.bus.connect(false);
    this.#store.locks.delete(life.nodeId);
  }

  #leave(life: Life): void {
    if (life.state !== "running") return;
    this.#count("left");
    life.state = "leaving";
    const { membership, nodeId } = life;
    void membership
      .leave()
      .catch(() => undefined)
      .then(() => membership.stop())
      .then(() => {
        if (this.#lives.get(nodeId) !== life || life.state === "ended") return;
        life.state = "ended";
        this.#store.locks.delete(nodeId);
        if (life.process.armed > 0) this.#problem(`${nodeId} left ${life.process.armed} timers`);
        if (life.bus.listenings > 0) this.#problem(`${nodeId} left ${life.bus.listenings} subscriptions`);
      });
  }

  #toggleLock({ nodeId, state }: Life): void {
    if (this.#store.locks.has(nodeId)) this.#store.locks.delete(nodeId);
    else if (state !== "ended") this.#store.locks.add(nodeId);
  }

  /** No more faults. Who runs or stands still goes on, and somebody is there in any case: the dead judge nobody. */
  #calm(): void {
    this.#start("last");
    this.#net.heal();
    this.#net.lossShare = 0;
    this.#net.delayMaxMs = 2;
    this.#store.goOn();
    for (const life of this.#lives.values()) {
      life.store.trouble = "none";
      life.store.latencyMs = 1;
      life.process.goOn();
      if (life.state === "ended") continue;
      life.bus.connect(true);
      this.#store.locks.add(life.nodeId);
    }
  }

  #check(): void {
    const { views, verdicts } = this.#store;
    views.forEach(({ version, members }, i) => {
      if (version !== i) this.#problem(`view ${version} is the ${i}th`);
      const before = views[i - 1]?.members ?? [];
      for (const { nodeId, incarnation } of members) {
        const then = before.find((member) => member.nodeId === nodeId);
        if (then !== undefined && then.incarnation > incarnation)
          this.#problem(`an earlier ${nodeId} in view ${version}`);
      }
      // Who is taken out and not replaced left, or was judged: nobody is out without a witness.
      for (const member of before) {
        if (members.some(({ nodeId }) => nodeId === member.nodeId)) continue;
        const isJudged = verdicts.some((verdict) => hasMember([verdict.member], member));
        const isGone = member.state === "leaving" || this.#store.left.has(`${member.nodeId}.${member.incarnation}`);
        const isReplaced = (this.#store.rows.get(member.nodeId)?.incarnation ?? 0) > member.incarnation;
        if (!isJudged && !isGone && !isReplaced)
          this.#problem(`${member.nodeId} is out of view ${version}: nobody judged`);
      }
    });
  }

  #checkEnd(): void {
    const present = this.#store.present.members.map(({ nodeId, state }) => `${nodeId} ${state}`).sort();
    const living = [...this.#lives.values()].filter(({ state }) => state !== "ended");
    const wanted = living.map(({ nodeId, state }) => `${nodeId} ${state === "running" ? "up" : "leaving"}`).sort();
    if (present.join() !== wanted.join()) this.#problem(`in the view: ${present}; alive: ${wanted}`);
    for (const { nodeId, membership } of living) {
      if (membership.view.version !== this.#store.present.version) this.#problem(`${nodeId} has an old view`);
      if (!hasMember(membership.view.members, { nodeId, incarnation: membership.incarnation })) {
        this.#problem(`${nodeId} is another life than the view knows`);
      }
    }
  }

  async #end(): Promise<void> {
    const stops = [...this.#lives.values()].filter(({ state }) => state !== "ended");
    const ends = Promise.all(stops.map(({ membership }) => membership.stop()));
    await this.#pass(5_000);
    await ends;
    for (const { nodeId, process, bus } of stops) {
      if (process.armed > 0 || bus.listenings > 0) this.#problem(`${nodeId} left something behind`);
    }
    if (this.#store.present.members.length > 0) this.#problem("somebody is left in the view");
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #problem(what: string): void {
    if (this.problems.length < 20) this.problems.push(what);
  }
}
