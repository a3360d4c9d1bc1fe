// When each node of the view was last heard on the bus, and who is silent.
// H1: who does not hear itself is deaf: its own heartbeats come back to it like everybody's. The deaf suspect nobody, and
//     when they hear again they first listen as long as they would have waited for others.
// H2: what an earlier life of a node still says is no sign of this one.
// H3: nothing is kept of nodes that the view has no more.

import type { ClusterView, Member } from "../../shared/cluster/view.ts";

/** Not heard for so long: suspected. */
export const SUSPECT_MS = 400;
const JUDGE_AGAIN_MS = 100;

interface Node {
  readonly member: Member;
  heardAt: number;
  judgedAt: number;
}

export class Hearing {
  readonly #selfId: string;
  #nodes = new Map<string, Node>();

  constructor(selfId: string) {
    this.#selfId = selfId;
  }

  /** Nodes that something is kept of. */
  get size(): number {
    return this.#nodes.size;
  }

  /** A newcomer is given the time that it takes to be heard. */
  adopt(view: ClusterView, now: number): void {
    const before = this.#nodes;
    this.#nodes = new Map();
    for (const member of view.members) {
      const known = before.get(member.nodeId);
      const isSame = known?.member.incarnation === member.incarnation;
      const heardAt = isSame ? known.heardAt : now;
      const judgedAt = isSame ? known.judgedAt : Number.NEGATIVE_INFINITY;
      this.#nodes.set(member.nodeId, { member, heardAt, judgedAt });
    }
  }

  hear(nodeId: string, incarnation: number, now: number): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined || node.member.incarnation !== incarnation) return;
    if (nodeId === this.#selfId && now - node.heardAt >= SUSPECT_MS) this.listenAnew(now);
    node.heardAt = now;
  }

  /** As if everybody had been heard just now. */
  listenAnew(now: number): void {
    for (const node of this.#nodes.values()) node.heardAt = now;
  }

  /** Who is to be judged now; each of them again after a while. */
  suspects(now: number): Member[] {
    const self = this.#nodes.get(this.#selfId);
    if (self === undefined || now - self.heardAt >= SUSPECT_MS) return [];
    const found: Member[] = [];
    for (const node of this.#nodes.values()) {
      if (node === self || now - node.heardAt < SUSPECT_MS || now - node.judgedAt < JUDGE_AGAIN_MS) continue;
      node.judgedAt = now;
      found.push(node.member);
    }
    return found;
  }
}
