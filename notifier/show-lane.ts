// The messages of one show that are in our hands and not yet told, in the order of the stream.

import type { ShowId } from "../shared/kernel/ids.ts";
import type { PulledMessage } from "../shared/platform/nats-pull.ts";
import type { News } from "../shared/protocol/show-news.ts";

export interface Item {
  readonly message: PulledMessage;
  readonly news: News;
  /** The sequence of the show's message before it. */
  readonly previous: number;
}

export class ShowLane {
  readonly showId: ShowId;
  isWorked = false;
  #items: Item[] = [];

  constructor(showId: ShowId) {
    this.showId = showId;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  get head(): Item | undefined {
    return this.#items[0];
  }

  /** Answers how many more are in hand: none when it was delivered again while it was here. */
  add(item: Item): number {
    const { sequence } = item.message;
    const at = this.#items.findIndex((other) => other.message.sequence >= sequence);
    if (at < 0) this.#items.push(item);
    else if (this.#items[at]?.message.sequence === sequence) return 0;
    else this.#items.splice(at, 0, item);
    return 1;
  }

  /** The head, and those of which each follows the one before. */
  chain(max: number): Item[] {
    const chain: Item[] = [];
    for (const item of this.#items) {
      const last = chain.at(-1);
      if (chain.length === max || (last !== undefined && item.previous !== last.message.sequence)) break;
      chain.push(item);
    }
    return chain;
  }

  /** Takes out the latest, so that so many stay. */
  takeAbove(stayMax: number): Item[] {
    return this.#items.splice(stayMax);
  }

  /** Takes out those up to a sequence. */
  takeThrough(sequence: number): Item[] {
    const kept = this.#items.findIndex(({ message }) => message.sequence > sequence);
    return this.#items.splice(0, kept < 0 ? this.#items.length : kept);
  }
}
