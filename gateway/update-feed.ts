// What this gateway hears of committed changes over the bus, and whether it may have missed any.
// U1: a node numbers its messages of updates; its heartbeats carry the last number. Of one node everything arrives in
//     order, so a number that is skipped, or a heartbeat that is ahead, is a lost message.
// U2: of a node heard of for the first time everything before may have been missed.
// U3: a loss is told at once, the next one LOSS_EVERY_MS later at the earliest: all polls read again each time, and
//     losses come in swarms (messages of a newer version, a connection that drops).
// U4: numbers are kept of lives that were heard within FORGET_MS: a node that stood still lost nothing by it.
// U5: what a life committed last before it left the view it may never have told, and if nothing is left to do in that
//     show nobody loads it to tell: that counts as a loss, a moment later, when the shows have their new owners.
// U6: what is away is away for all nodes that are up and heard; of one that alone misses its store others take the shows.

import type { ClusterView, Member } from "../shared/cluster/view.ts";
import type { ShowUpdate } from "../shared/protocol/reply.ts";
import { decodeUpdateBatch } from "../shared/wire/messages.ts";

/** What a node that is silent for so long said of its store counts no more; and when none is heard, none is there. */
const HEARD_MAX_MS = 1_500;
const FORGET_MS = 60_000;
const LOSS_EVERY_MS = 100;
const LAST_WORDS_MS = 1_000;
const NONE: readonly string[] = [];
const NOBODY: readonly string[] = ["allocators"];

interface Node {
  /** Of its last message of updates. */
  number: number;
  heardAt: number;
  unready: readonly string[];
}

export class UpdateFeed {
  readonly #now: () => number;
  /** By node and life. */
  readonly #nodes = new Map<string, Node>();
  readonly #updateListeners = new Set<(update: ShowUpdate) => void>();
  readonly #lostListeners = new Set<() => void>();
  #lostAt = Number.NEGATIVE_INFINITY;
  #isLossUntold = false;
  /** When somebody's last words count as lost (U5). */
  #lastWordsAt = Number.POSITIVE_INFINITY;
  /** Of the view. */
  #lives: readonly string[] = [];
  #up: readonly string[] = [];
  #followedAt = Number.NEGATIVE_INFINITY;
  #unready = NOBODY;

  constructor(now: () => number) {
    this.#now = now;
  }

  onUpdate(listener: (update: ShowUpdate) => void): () => void {
    this.#updateListeners.add(listener);
    return () => this.#updateListeners.delete(listener);
  }

  /** Anything may have been missed. */
  onLost(listener: () => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Lives of nodes that something is kept of. */
  get size(): number {
    return this.#nodes.size;
  }

  lose(): void {
    this.#isLossUntold = true;
    this.#tellLoss(this.#now());
  }

  hear(data: Uint8Array): void {
    const decoded = decodeUpdateBatch(data);
    // A message that cannot be read is a lost one.
    if (decoded.kind !== "ok") return this.lose();
    const { nodeId, incarnation, number, updates } = decoded.value;
    const isNext = this.#count(lifeOf({ nodeId, incarnation }), number, 1);
    for (const update of updates) for (const listener of this.#updateListeners) listener(update);
    if (!isNext) this.lose();
  }

  /** Answers the version of the view that the node knows. */
  hearHeartbeat(data: Uint8Array): number | undefined {
    const heartbeat = heartbeatFrom(data);
    if (heartbeat === undefined) return undefined;
    const { nodeId, incarnation, updates, unready, view } = heartbeat;
    const key = lifeOf({ nodeId, incarnation });
    const isComplete = this.#count(key, updates, 0);
    (this.#nodes.get(key) as Node).unready = unready;
    if (!isComplete) this.lose();
    return view;
  }

  /** Whose heartbeats are to be heard. */
  follow({ members }: ClusterView): void {
    const now = this.#now();
    const before = this.#lives;
    this.#lives = members.map(lifeOf);
    this.#up = members.filter(({ state }) => state === "up").map(lifeOf);
    this.#followedAt = now;
    const hasLeft = before.some((life) => !this.#lives.includes(life));
    if (hasLeft) this.#lastWordsAt = Math.min(this.#lastWordsAt, now + LAST_WORDS_MS);
    this.#unready = this.#judged(now);
  }

  /** `allocators`: none is up or heard; else what none of them has (U6). As of the last `check`. */
  unready(): readonly string[] {
    return this.#unready;
  }

  #judged(now: number): readonly string[] {
    if (this.#up.length === 0) return NOBODY;
    const isHeard = (node: Node | undefined): node is Node => node !== undefined && now - node.heardAt <= HEARD_MAX_MS;
    const [first, ...others] = this.#up.map((life) => this.#nodes.get(life)).filter(isHeard);
    // Those of a new view have as long to be heard as one that falls silent.
    if (first === undefined) return now - this.#followedAt > HEARD_MAX_MS ? NOBODY : NONE;
    return first.unready.filter((name) => others.every(({ unready }) => unready.includes(name)));
  }

  /** To be called several times a second: forgets who says nothing any more, tells what is still to be told (U3). */
  check(): void {
    const now = this.#now();
    for (const [key, { heardAt }] of this.#nodes) if (now - heardAt > FORGET_MS) this.#nodes.delete(key);
    this.#unready = this.#judged(now);
    if (now >= this.#lastWordsAt) {
      this.#lastWordsAt = Number.POSITIVE_INFINITY;
      this.#isLossUntold = true;
    }
    this.#tellLoss(now);
  }

  #tellLoss(now: number): void {
    if (!this.#isLossUntold || now - this.#lostAt < LOSS_EVERY_MS) return;
    this.#isLossUntold = false;
    this.#lostAt = now;
    for (const listener of this.#lostListeners) listener();
  }

  /** `step`: how far ahead of the last one the number may be. */
  #count(key: string, number: number, step: 0 | 1): boolean {
    const now = this.#now();
    const known = this.#nodes.get(key);
    if (known === undefined) {
      this.#nodes.set(key, { number, heardAt: now, unready: [] });
      return number <= step;
    }
    const isComplete = number <= known.number + step;
    known.number = Math.max(known.number, number);
    known.heardAt = now;
    return isComplete;
  }
}

const lifeOf = ({ nodeId, incarnation }: Pick<Member, "nodeId" | "incarnation">): string => `${nodeId}.${incarnation}`;

interface HeartbeatOfNode {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly view: number;
  readonly updates: number;
  readonly unready: readonly string[];
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function heartbeatFrom(data: Uint8Array): HeartbeatOfNode | undefined {
  try {
    const value = JSON.parse(Buffer.from(data).toString("utf8")) as Partial<HeartbeatOfNode> | null;
    if (typeof value?.nodeId !== "string" || !isCount(value.incarnation) || !isCount(value.view)) return undefined;
    if (!isCount(value.updates) || !Array.isArray(value.unready)) return undefined;
    return value.unready.every((name) => typeof name === "string") ? (value as HeartbeatOfNode) : undefined;
  } catch {
    return undefined;
  }
}
