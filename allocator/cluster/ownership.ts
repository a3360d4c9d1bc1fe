// Which shows this node should own, by the view it knows. A preference (V1): what it claims by it is fenced by epochs.
// W1: a node serves what it has loaded until another claims it, and loads only what is its own by the ring.

import { Routes } from "../../shared/cluster/routes.ts";
import type { ClusterView } from "../../shared/cluster/view.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Moved } from "../../shared/protocol/reply.ts";
import type { Ownership } from "../actor/ownership.ts";

export class RingOwnership implements Ownership {
  readonly #nodeId: string;
  readonly #routes: Routes;
  #isIn = false;

  constructor(nodeId: string, now: () => number) {
    this.#nodeId = nodeId;
    this.#routes = new Routes(now);
  }

  /** `incarnation`: of the life that this node leads now. */
  adopt(view: ClusterView, incarnation: number): void {
    this.#routes.adopt(view);
    this.#isIn = view.members.some((member) => member.nodeId === this.#nodeId && member.incarnation === incarnation);
  }

  /** Until the next view that has it, nothing is its own. */
  depose(): void {
    this.#isIn = false;
  }

  isMine(showId: ShowId): boolean {
    return this.#isIn && this.#routes.ownerOf(showId)?.nodeId === this.#nodeId;
  }

  /** Somebody alive had it before the present view, and serves it until it is claimed. */
  hasFormerOwner(showId: ShowId): boolean {
    const former = this.#routes.formerOwnerOf(showId);
    return former !== undefined && former.nodeId !== this.#nodeId;
  }

  moved(showId: ShowId): Moved {
    return { kind: "moved", owner: this.#routes.ownerOf(showId)?.nodeId, view: this.#routes.view.version };
  }

  viewVersion(): number {
    return this.#routes.view.version;
  }
}
