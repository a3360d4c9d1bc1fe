// A command of this gateway that has no answer yet, and the message it went out with.

import type { Member } from "../shared/cluster/view.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { Command } from "../shared/protocol/command.ts";
import type { Fault, Reply } from "../shared/protocol/reply.ts";

export interface Asked {
  readonly id: number;
  readonly showId: ShowId;
  readonly command: Command;
  readonly endsAt: number;
  readonly answer: (reply: Reply) => void;
  /** The node and life it was sent to; `undefined`: it waits to be sent. */
  sentTo: Member | undefined;
  sentAt: number;
  /** Not before this is it sent again. */
  notBefore: number;
  pauseMs: number;
  /** An earlier sending may have taken effect. */
  isUncertain: boolean;
  /** It is to be sent at the end of the tick. */
  isOutgoing: boolean;
  /** The message it went out with. */
  message: Message | undefined;
}

/** One message of commands, for as long as one of them is not answered. */
export interface Message {
  readonly number: number;
  readonly asked: readonly Asked[];
  /** How many of them still wait for what this message brings. */
  open: number;
}

const fault = (code: Fault["code"], outcome: Fault["outcome"]): Reply => ({
  kind: "fault",
  fault: { code, outcome, retryAfterMs: 1_000 },
});

export const overloaded = (): Reply => fault("overloaded", "none");
export const unreachable = (): Reply => fault("allocators_unreachable", "none");

/** Its time is up. What was sent may have taken effect. */
export const late = ({ sentTo, isUncertain }: Asked): Reply =>
  sentTo !== undefined || isUncertain ? fault("outcome_pending", "unknown") : unreachable();

export const withUnknownOutcome = (reply: Reply): Reply =>
  reply.kind === "fault" ? { kind: "fault", fault: { ...reply.fault, outcome: "unknown" } } : reply;
