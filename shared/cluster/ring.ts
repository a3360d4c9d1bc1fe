// Which node should own a show: consistent hashing, so that a node which comes or goes moves its own share and no more.
// A preference, never the authority: that is the lease's epoch. An adapter over hash-ring 1.0.1, of which only the virtual
// nodes are used. Its own look-up compares the raw key with hashes that are sorted as text, so that every key lands on
// one node; adding a node twice doubles it, removing an unknown one drops another (ring.test.ts shows all of it).
// R1: the same nodes give the same ring in every process, in whatever order they are named, however often.
// R2: a ring never changes: each view makes its own, so there is nothing to add to or to remove from.
// R3: a node's points depend on its id alone. Hence a newcomer only gains and a leaver only loses.

import HashRing from "hash-ring";
import { assert } from "../kernel/assert.ts";
import type { ShowId } from "../kernel/ids.ts";

/**
 * The largest share of 8 nodes over the mean, 100 sets of names: at 128 points up to 1.27, 32 of them above 1.15; at 512
 * up to 1.14. One node's points take 1 ms to make, so a ring takes those of the ring before it where it can.
 */
const POINTS_PER_NODE = 512;
export const NODES_MAX = 1_024;

export class Ring {
  /** Ascending, each once. */
  readonly nodeIds: readonly string[];
  readonly #pointsOf: ReadonlyMap<string, readonly number[]>;
  /** All points, ascending, and for each the place of its node in `nodeIds`. */
  readonly #points: Uint32Array;
  readonly #nodeAt: Uint16Array;

  private constructor(nodeIds: readonly string[], pointsOf: ReadonlyMap<string, readonly number[]>) {
    this.nodeIds = nodeIds;
    this.#pointsOf = pointsOf;
    // Point and node in one number, 32 + 10 bits, sorted as numbers: of two equal points the lower id goes first (R1).
    const merged = Float64Array.from(
      nodeIds.flatMap((nodeId, place) => (pointsOf.get(nodeId) ?? []).map((point) => point * NODES_MAX + place)),
    ).sort();
    this.#points = Uint32Array.from(merged, (each) => Math.floor(each / NODES_MAX));
    this.#nodeAt = Uint16Array.from(merged, (each) => each % NODES_MAX);
  }

  /** `before`: the ring of the view before, if there was one; only saves work. At most `NODES_MAX` nodes. */
  static of(nodeIds: Iterable<string>, before?: Ring): Ring {
    const ids = [...new Set(nodeIds)].sort();
    assert(ids.length <= NODES_MAX, `a ring of ${ids.length} nodes`);
    const known = before === undefined ? new Map<string, readonly number[]>() : before.#pointsOf;
    return new Ring(ids, new Map(ids.map((id) => [id, known.get(id) ?? pointsOf(id)])));
  }

  /** `undefined` where there are no nodes. */
  owner(showId: ShowId): string | undefined {
    return this.#nodeOf(this.#firstPoint(showId));
  }

  /** Who would own the show if its owner were gone, then who after that: at most `count`, never the owner itself. */
  successors(showId: ShowId, count: number): string[] {
    const wanted = Math.min(count, this.nodeIds.length - 1);
    const first = this.#firstPoint(showId);
    const met = new Set<string | undefined>([this.#nodeOf(first)]);
    for (let i = 1; met.size <= wanted; i += 1) met.add(this.#nodeOf((first + i) % this.#points.length));
    return ([...met] as string[]).slice(1);
  }

  #nodeOf(point: number): string | undefined {
    return this.nodeIds[this.#nodeAt[point] ?? 0];
  }

  /** The first point at or after the key's hash; past the last one the first of all. */
  #firstPoint(key: string): number {
    const points = this.#points;
    const hash = mixed(key);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }
}

/** A package's ring of one node: only its points are wanted. It sorts all of them anew, as text, with every node. */
function pointsOf(nodeId: string): readonly number[] {
  const alone = new HashRing([], { replicas: POINTS_PER_NODE });
  alone.hashFunc = mixed;
  alone.addNode(nodeId);
  return alone.sortedKeys;
}

/**
 * 32 bits. FNV-1a, whose last characters barely reach the high bits that the ring is ordered by, then the finaliser of
 * MurmurHash3, which spreads them over all. Fixed for ever: nodes of two versions must agree on it.
 * Source: http://www.isthe.com/chongo/tech/comp/fnv, https://github.com/aappleby/smhasher (both public domain).
 */
function mixed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
