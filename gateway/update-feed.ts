// What this gateway hears of committed changes over the bus, and whether it may have missed any.
// U1: a node numbers its messages of updates; its heartbeats carry the last number. Of one node everything arrives in
//     order, so a number that is skipped, or a heartbeat that is ahead, is a lost message.
// U2: of a node heard of for the first time everything before may have been missed.

import type { ShowUpdate } from "../shared/protocol/reply.ts";
import { decodeUpdateBatch } from "../shared/wire/messages.ts";

/** A node that is silent for so long is somebody else's to judge; what it said of its store counts no more. */
const HEARD_MAX_MS = 1_500;

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

  lose(): void {
    for (const listener of this.#lostListeners) listener();
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

  hearHeartbeat(data: Uint8Array): void {
    const heartbeat = heartbeatFrom(data);
    if (heartbeat === undefined) return;
    const { nodeId, incarnation, updates, unready } = heartbeat;
    const key = `${nodeId}.${incarnation}`;
    const isComplete = this.#count(key, updates, 0);
    (this.#nodes.get(key) as Node).unready = unready;
    if (!isComplete) this.lose();
  }

  /** Which dependencies of the nodes that are heard do not answer. */
  unready(): readonly string[] {
    const names = new Set<string>();
    for (const { unready } of this.#nodes.values()) for (const name of unready) names.add(name);
    return [...names];
  }

  /** Forgets nodes that say nothing any more. */
  check(): void {
    const now = this.#now();
    for (const [key, { heardAt }] of this.#nodes) if (now - heardAt > HEARD_MAX_MS) this.#nodes.delete(key);
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
  readonly updates: number;
  readonly unready: readonly string[];
}

function heartbeatFrom(data: Uint8Array): HeartbeatOfNode | undefined {
  try {
    const value = JSON.parse(Buffer.from(data).toString("utf8")) as Partial<HeartbeatOfNode> | null;
    if (typeof value?.nodeId !== "string" || typeof value.incarnation !== "number") return undefined;
    if (typeof value.updates !== "number" || !Array.isArray(value.unready)) return undefined;
    return value as HeartbeatOfNode;
  } catch {
    return undefined;
  }
}
