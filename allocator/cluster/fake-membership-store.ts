// For tests: the cluster's rows as Postgres keeps them, on the test's own time. Each node asks by a connection of its own,
// which can be slow or cut; the server itself can stand still, and then does everything at once.

import { type ClusterView, type Member, NO_VIEW } from "../../shared/cluster/view.ts";
import type { Beat, Grounds, MembershipStore, Verdict } from "./membership-store.ts";

interface Row {
  incarnation: number;
  state: "up" | "leaving" | "dead";
  hbAt: number;
}

export interface FakeStoreTime {
  readonly now: () => number;
  readonly after: (delayMs: number, callback: () => void) => void;
}

export class FakeMembershipStore {
  readonly time: FakeStoreTime;
  readonly rows = new Map<string, Row>();
  /** Whose connection is there: the advisory locks. */
  readonly locks = new Set<string>();
  /** Every view that there ever was. */
  readonly views: ClusterView[] = [NO_VIEW];
  /** `node.incarnation` of those that said themselves that they go. */
  readonly left = new Set<string>();
  /** Who was set dead, and by what. */
  readonly verdicts: { readonly member: Member; readonly witness: "stale" | "lock" }[] = [];
  #isStanding = false;
  #waiting: (() => void)[] = [];

  constructor(time: FakeStoreTime) {
    this.time = time;
  }

  get present(): ClusterView {
    return this.views.at(-1) as ClusterView;
  }

  connect(run: (callback: () => void) => void = (callback) => callback()): FakeStoreConnection {
    return new FakeStoreConnection(this, run);
  }

  stand(): void {
    this.#isStanding = true;
  }

  goOn(): void {
    this.#isStanding = false;
    for (const each of this.#waiting.splice(0)) each();
  }

  execute(statement: () => void): void {
    if (this.#isStanding) this.#waiting.push(statement);
    else statement();
  }
}

export class FakeStoreConnection implements MembershipStore {
  readonly #server: FakeMembershipStore;
  readonly #run: (callback: () => void) => void;
  /** Everything fails: `away` before it was done, `mute` after. */
  trouble: "none" | "away" | "mute" = "none";
  latencyMs = 0;
  /** By name of the statement. */
  readonly asked: string[] = [];

  constructor(server: FakeMembershipStore, run: (callback: () => void) => void) {
    this.#server = server;
    this.#run = run;
  }

  count(name: string): number {
    return this.asked.filter((each) => each === name).length;
  }

  join(nodeId: string): Promise<number> {
    return this.#ask("join", () => {
      const incarnation = (this.#server.rows.get(nodeId)?.incarnation ?? 0) + 1;
      this.#server.rows.set(nodeId, { incarnation, state: "up", hbAt: this.#server.time.now() });
      return incarnation;
    });
  }

  beat(nodeId: string, incarnation: number): Promise<Beat> {
    return this.#ask("beat", () => {
      const storeNowMs = this.#server.time.now();
      const row = this.#living(nodeId, incarnation);
      if (row !== undefined) row.hbAt = storeNowMs;
      return { isAlive: row !== undefined, viewVersion: this.#server.present.version, storeNowMs };
    });
  }

  judge(member: Member, { staleMs, untilStoreMs }: Grounds): Promise<Verdict> {
    return this.#ask("judge", () => {
      const row = this.#living(member.nodeId, member.incarnation);
      if (row === undefined) return "dead";
      const now = this.#server.time.now();
      const witness = row.hbAt < now - staleMs ? "stale" : this.#server.locks.has(member.nodeId) ? undefined : "lock";
      if (now >= untilStoreMs || witness === undefined) return "alive";
      row.state = "dead";
      this.#server.verdicts.push({ member, witness });
      return "dead";
    });
  }

  setState(nodeId: string, incarnation: number, state: "leaving" | "dead"): Promise<void> {
    return this.#ask("setState", () => {
      const row = this.#living(nodeId, incarnation);
      if (row === undefined) return;
      row.state = state;
      this.#server.left.add(`${nodeId}.${incarnation}`);
    });
  }

  view(): Promise<ClusterView> {
    return this.#ask("view", () => this.#server.present);
  }

  changeView(version: number, members: readonly Member[]): Promise<boolean> {
    return this.#ask("changeView", () => {
      if (this.#server.present.version !== version) return false;
      this.#server.views.push({ version: version + 1, members });
      return true;
    });
  }

  #living(nodeId: string, incarnation: number): Row | undefined {
    const row = this.#server.rows.get(nodeId);
    return row?.incarnation === incarnation && row.state !== "dead" ? row : undefined;
  }

  #ask<T>(name: string, statement: () => T): Promise<T> {
    this.asked.push(name);
    const { time } = this.#server;
    return new Promise((resolve, reject) => {
      const fail = (): void => this.#run(() => reject(new Error("the store is away")));
      time.after(this.latencyMs, () => {
        if (this.trouble === "away") return fail();
        this.#server.execute(() => {
          const answer = statement();
          time.after(this.latencyMs, () => (this.trouble === "none" ? this.#run(() => resolve(answer)) : fail()));
        });
      });
    });
  }
}
