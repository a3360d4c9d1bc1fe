// How a gateway reaches the allocators. In one process it is a function call; over NATS it will be the same interface.

import type { ShowId } from "../kernel/ids.ts";
import type { Command } from "./command.ts";
import type { Reply, ShowUpdate } from "./reply.ts";

export interface AllocatorPort {
  /**
   * Asks the show's owner. Never rejects: what goes wrong is a `fault`. Retries inside are safe, a command carries its
   * operation. A reply to a mutation is given only after its events are committed, and after `onUpdate` was called with
   * them, so that the gateway which acknowledges a write shows it at once.
   * `deadlineMs`: how long the caller waits, from now.
   */
  ask(showId: ShowId, command: Command, deadlineMs: number): Promise<Reply>;

  /** Every committed change of every show this port hears of, in version order per show. Returns the unsubscriber. */
  onUpdate(listener: (update: ShowUpdate) => void): () => void;

  /** Updates were lost on the way: anything may have been committed since. Returns the unsubscriber. */
  onLost(listener: () => void): () => void;

  /** Which dependencies of the allocators do not answer now; empty when ready. */
  unready(): readonly string[];
}
