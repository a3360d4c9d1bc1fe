// Who can never be seated: wants more than all that is not sold or blocked of what it accepts, or a contiguous block
// that can never be had. It holds for a whole lane. Lanes are judged when they come up, and all of them anew when the
// number of seats that are not sold or blocked differs from when they were last judged.
// P1: the line is asked after every turn that stirred it, and no turn both sells (or blocks) and un-sells, so the total
//     never comes back to what it was unseen.

import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import type { Room } from "./serve.ts";

const ALL_CLASSES = ~0;

export class Hopeless {
  #potential = Number.NaN;
  #lanes: Lane[] = [];

  judge(lanes: Lanes, room: Room): void {
    const potential = room.potentialOf(ALL_CLASSES);
    const isChanged = potential !== this.#potential;
    const unjudged = lanes.takeUnjudged();
    if (isChanged) {
      this.#potential = potential;
      this.#lanes = [];
    }
    for (const lane of isChanged ? lanes.all() : unjudged) this.#judgeLane(lanes, lane, room);
  }

  /** One of those who were judged hopeless and still wait. */
  next(): Entry | undefined {
    for (let lane = this.#lanes.at(-1); lane !== undefined; lane = this.#lanes.at(-1)) {
      if (lane.first !== undefined) return lane.first;
      this.#lanes.pop();
    }
    return undefined;
  }

  #judgeLane(lanes: Lanes, lane: Lane, room: Room): void {
    const first = lane.first;
    if (first === undefined) return;
    lanes.judge(
      lane,
      room.potentialOf(lane.classes) < lane.quantity || (lane.contiguous && !room.couldSeat(first.waiter)),
    );
    if (lane.isHopeless) this.#lanes.push(lane);
  }
}
