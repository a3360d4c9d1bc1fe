// Which node to ask about a show. The ring of the present view says who should own it; while a view is young, whoever
// owned it before may still, and serves it until the new owner has claimed it.
// R1: everything here is a guess. Who is asked wrongly answers `moved` and says who it should be.
// R2: of a dead owner nothing is expected: its shows go to the ring's owner at once.
// R3: what was learned from a `moved` holds for the view it was learned in, of LEARNED_MAX shows at most.

import type { ShowId } from "../kernel/ids.ts";
import { Ring } from "./ring.ts";
import { type ClusterView, type Member, memberOf, NO_VIEW, upNodes } from "./view.ts";

const LEARNED_MAX = 50_000;
/** After that nobody serves what the ring gives to another. */
export const HAND_OVER_MS = 10_000;

export class Routes {
  readonly #now: () => number;
  #view: ClusterView = NO_VIEW;
  #ring = Ring.of([]);
  /** The ring before the present view. */
  #before: Ring | undefined;
  #changedAt = 0;
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
    const isSameRing = up.join() === upNodes(this.#view).join();
    this.#view = view;
    this.#learned.clear();
    if (isSameRing) return true;
    this.#before = this.#ring;
    this.#ring = Ring.of(up);
    this.#changedAt = this.#now();
    return true;
  }

  /** The ring's owner; `undefined`: nobody is up. */
  ownerOf(showId: ShowId): Member | undefined {
    const owner = this.#ring.owner(showId);
    return owner === undefined ? undefined : memberOf(this.#view, owner);
  }

  /** Who had it by the ring before the present one, if that node is alive and is another. */
  formerOwnerOf(showId: ShowId): Member | undefined {
    if (this.#before === undefined || this.#now() - this.#changedAt > HAND_OVER_MS) return undefined;
    const former = this.#before.owner(showId);
    if (former === undefined || former === this.#ring.owner(showId)) return undefined;
    return memberOf(this.#view, former);
  }

  /** Whom to ask first. */
  routeOf(showId: ShowId): Member | undefined {
    const learned = this.#learned.get(showId);
    if (learned !== undefined) return memberOf(this.#view, learned);
    return this.formerOwnerOf(showId) ?? this.ownerOf(showId);
  }

  /** Somebody asked about the show said that it is `nodeId`'s. */
  learn(showId: ShowId, nodeId: string): void {
    if (memberOf(this.#view, nodeId) === undefined) return;
    const oldest = this.#learned.keys().next().value;
    if (this.#learned.size >= LEARNED_MAX && oldest !== undefined) this.#learned.delete(oldest);
    this.#learned.set(showId, nodeId);
  }

  forget(showId: ShowId): void {
    this.#learned.delete(showId);
  }
}
