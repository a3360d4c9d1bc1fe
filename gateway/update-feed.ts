// What this gateway hears of committed changes over the bus, and whether it may have missed any.
// U1: a node numbers its messages of updates; its heartbeats carry the last number. Of one node everything arrives in
//     order, so a number that is skipped, or a heartbeat that is ahead, is a lost message.
// U2: of a node heard of for the first time everything before may have been missed.
// U3: a loss is told at once, the next one LOSS_EVERY_MS later at the earliest: all polls read again each time, and
//     losses come in swarms (messages of a newer version, a connection that drops).
// U4: numbers are kept of lives that were heard within FORGET_MS: a node that stood still lost nothing by it.

import type { ShowUpdate } from "../shared/protocol/reply.ts";
import { decodeUpdateBatch } from "../shared/wire/messages.ts";

/** A node that is silent for so long is somebody else's to judge; what it said of its store counts no more. */
const HEARD_MAX_MS = 1_500;
const FORGET_MS = 60_000;
const LOSS_EVERY_MS = 100;

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
    const isNext = this.#count(`${nodeId}.${incarnation}`, number, 1);
    for (const update of updates) for (const listener of this.#updateListeners) listener(update);
    if (!isNext) this.lose();
  }

  /** Answers the version of the view that the node knows. */
  hearHeartbeat(data: Uint8Array): number | undefined {
    const heartbeat = heartbeatFrom(data);
    if (heartbeat === undefined) return undefined;
    const { nodeId, incarnation, updates, unready, view } = heartbeat;
    const key = `${nodeId}.${incarnation}`;
    const isComplete = this.#count(key, updates, 0);
    (this.#nodes.get(key) as Node).unready = unready;
    if (!isComplete) this.lose();
    return view;
  }

  /** Which dependencies of the nodes that are heard do not answer. */
  unready(): readonly string[] {
    const names = new Set<string>();
    for (const { unready } of this.#nodes.values()) for (const name of unready) names.add(name);
    return [...names];
  }

  /** To be called several times a second: forgets who says nothing any more, tells what is still to be told (U3). */
  check(): void {
    const now = this.#now();
    for (const [key, node] of this.#nodes) {
      if (now - node.heardAt > FORGET_MS) this.#nodes.delete(key);
      else if (now - node.heardAt > HEARD_MAX_MS) node.unready = [];
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
