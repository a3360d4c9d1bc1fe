// What the two long polls share, a booking's and a waiter's: their parameters, and the wait for another version.

import { z } from "@hono/zod-openapi";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Clock } from "../../shared/platform/clock.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type { ReadBooking, ReadWaiter } from "../../shared/protocol/command.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import { type LongPoll, longPoll } from "../../waitlist/poll/long-poll.ts";
import { type PollLot, WAIT_MAX_MS } from "../../waitlist/poll/parking.ts";
import type { GatewayContext } from "../http/answer.ts";
import { forgetHeaders, offGone, onGone } from "../http/connection.ts";
import { faultProblem, type Problem, STOPPING } from "../http/problem.ts";
import { queryInteger } from "../http/validation.ts";
import { ASK_DEADLINE_MS } from "./asking.ts";

const WAIT_MAX_S = WAIT_MAX_MS / 1000;

/** Strict: a misspelt `wait` would turn a long poll into one that answers at once, again and again. */
export const POLL_QUERY = z.strictObject({
  wait: queryInteger({ min: 0, max: WAIT_MAX_S })
    .optional()
    .openapi({ description: "Seconds to wait for another version than `after`. Without `after` nothing waits." }),
  after: queryInteger({ min: 0, max: Number.MAX_SAFE_INTEGER })
    .optional()
    .openapi({ description: "The `version` you have. Whatever differs from it, older or newer, is answered at once." }),
});

export const POLL_DESCRIPTION =
  "With `wait` and `after` a long poll: answers at once when the version is not `after`, else when it changes, else " +
  "after `wait` seconds with the present state. Without `after` it answers at once, whatever `wait` says.";

export interface PollDependencies {
  readonly allocator: AllocatorPort;
  readonly lot: PollLot;
  readonly clock: Clock;
}

export interface ShowPoll {
  readonly showId: ShowId;
  /** What its show calls it when it changes (`ShowUpdate.touched`). */
  readonly id: string;
  readonly command: ReadBooking | ReadWaiter;
  readonly query: z.output<typeof POLL_QUERY>;
  readonly context: GatewayContext;
}

/** What the show says once there is news or the wait is over; `undefined` when there is no room to wait (noPlace). */
export function pollShow(dependencies: PollDependencies, poll: ShowPoll): Promise<Reply | undefined> {
  return longPoll(dependencies.lot, dependencies.clock, new Wait(dependencies.allocator, poll));
}

/** One client's wait. 50,000 of them may be parked: what they share is on the prototype. */
class Wait implements LongPoll<Reply> {
  readonly waitMs: number;
  readonly #allocator: AllocatorPort;
  readonly #poll: ShowPoll;

  constructor(allocator: AllocatorPort, poll: ShowPoll) {
    this.#allocator = allocator;
    this.#poll = poll;
    const { wait, after } = poll.query;
    // Without `after` whatever there is is news.
    this.waitMs = after === undefined ? 0 : (wait ?? 0) * 1000;
    if (this.waitMs > 0) forgetHeaders(poll.context);
  }

  get group(): string {
    return this.#poll.showId;
  }

  get id(): string {
    return this.#poll.id;
  }

  read(): Promise<Reply> {
    return this.#allocator.ask(this.#poll.showId, this.#poll.command, ASK_DEADLINE_MS);
  }

  isNews(reply: Reply): boolean {
    return versionOf(reply) !== this.#poll.query.after;
  }

  onGone(leave: () => void): void {
    onGone(this.#poll.context, leave);
  }

  offGone(leave: () => void): void {
    offGone(this.#poll.context, leave);
  }
}

/** A refusal or a fault has none: always news. */
function versionOf(reply: Reply): number | undefined {
  if (reply.kind === "booking") return reply.booking.version;
  return reply.kind === "waiter" ? reply.waiter.version : undefined;
}

/** To somebody whom the lot did not let in. */
export const noPlace = ({ lot }: Pick<PollDependencies, "lot">): Problem => (lot.isClosed ? STOPPING : LOT_FULL);

const LOT_FULL = faultProblem({ code: "overloaded", outcome: "none", retryAfterMs: 1_000 });
