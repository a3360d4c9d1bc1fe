// Which node to ask about a show. The ring of the present view says who should own it; while a view is young, whoever
// owned it before may still, and serves it until the new owner has claimed it. Views can follow one another quickly: of
// the rings of the last seconds the latest counts which gave the show to somebody else who still lives the same life.
// R1: everything here is a guess. Who is asked wrongly answers `moved` and says who it should be.
// R2: of a dead owner nothing is expected: its shows go to the ring's owner at once. Nor of one that does not listen.
// R3: what was learned from a `moved` holds for the view it was learned in, of LEARNED_MAX shows at most.

import type { ShowId } from "../kernel/ids.ts";
import { Ring } from "./ring.ts";
import { type ClusterView, hasMember, type Member, memberOf, NO_VIEW, upNodes } from "./view.ts";

const LEARNED_MAX = 50_000;
const FORMER_MAX = 8;
/** After that nobody serves what the ring gives to another. */
export const HAND_OVER_MS = 10_000;

interface Former {
  readonly ring: Ring;
  /** The last view of that ring. */
  readonly view: ClusterView;
  readonly endedAt: number;
}

export class Routes {
  readonly #now: () => number;
  #view: ClusterView = NO_VIEW;
  #ring = Ring.of([]);
  /** Earlier rings, the latest first. */
  #former: readonly Former[] = [];
  readonly #learned = new Map<ShowId, string>();

  /** `now`: milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get view(): ClusterView {
    return this.#view;
  }

  /** `false`: it is not newer. */
  adopt(view: ClusterView): boolean {
    if (view.version <= this.#view.version) return false;
    const up = upNodes(view);
    const before = this.#view;
    this.#view = view;
    this.#learned.clear();
    if (up.join() === upNodes(before).join()) return true;
    const endedAt = this.#now();
    const isYoung = (former: Former): boolean => endedAt - former.endedAt <= HAND_OVER_MS;
    const ended = { ring: this.#ring, view: before, endedAt };
    this.#former = [ended, ...this.#former.filter(isYoung)].slice(0, FORMER_MAX);
    this.#ring = Ring.of(up, this.#ring);
    return true;
  }

  /** The ring's owner; `undefined`: nobody is up. */
  ownerOf(showId: ShowId): Member | undefined {
    const owner = this.#ring.owner(showId);
    return owner === undefined ? undefined : memberOf(this.#view, owner);
  }

  /** Who had it by an earlier ring, if that node is another and leads the same life as then. */
  formerOwnerOf(showId: ShowId): Member | undefined {
    if (this.#former.length === 0) return undefined;
    const since = this.#now() - HAND_OVER_MS;
    const present = this.#ring.owner(showId);
    for (const { ring, view, endedAt } of this.#former) {
      if (endedAt < since) break;
      const nodeId = ring.owner(showId);
      const then = nodeId === undefined || nodeId === present ? undefined : memberOf(view, nodeId);
      if (then !== undefined && hasMember(this.#view.members, then)) return memberOf(this.#view, then.nodeId);
    }
    // None of them is young any more.
    if ((this.#former[0] as Former).endedAt < since) this.#former = [];
    return undefined;
  }

  /** Whom to ask first. */
  routeOf(showId: ShowId): Member | undefined {
    const learned = this.#learned.get(showId);
    if (learned !== undefined) return memberOf(this.#view, learned);
    return this.formerOwnerOf(showId) ?? this.ownerOf(showId);
  }

  /** Somebody asked about the show said that it is `nodeId`'s. `false`: this view does not have that node. */
  learn(showId: ShowId, nodeId: string): boolean {
    if (memberOf(this.#view, nodeId) === undefined) return false;
    this.#learned.delete(showId);
    const oldest = this.#learned.keys().next().value;
    if (this.#learned.size >= LEARNED_MAX && oldest !== undefined) this.#learned.delete(oldest);
    this.#learned.set(showId, nodeId);
    return true;
  }

  forget(showId: ShowId): void {
    this.#learned.delete(showId);
  }

  /** Nobody listens where `node` was asked: whoever else may have the show, the ring's owner is to take it (R2). */
  unheard(showId: ShowId, node: Member): void {
    const owner = this.#ring.owner(showId);
    if (owner === undefined || owner === node.nodeId) this.forget(showId);
    else this.learn(showId, owner);
  }
}
