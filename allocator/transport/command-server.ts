// A node's end of the bus: batches of commands in, replies and committed changes out.
// T1: what one tick brings leaves as one message a receiver; changes leave before the replies of the same tick, so that
//     a gateway which has a reply has heard of what it rests on.
// T2: commands are taken under the number of one life: those meant for an earlier one find nobody.
// T3: messages of changes are numbered from 1, and the number is told with every heartbeat: a lost one is noticed.

import type { Bus } from "../../shared/cluster/bus.ts";
import { commandSubject, replySubject, updateSubject } from "../../shared/cluster/subjects.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import type { Command } from "../../shared/protocol/command.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import { decodeCommandBatch, encodeUpdateBatch, type NodeReply, replyMessages } from "../../shared/wire/messages.ts";

/** Commands under way; further ones are refused at once. */
const UNDER_WAY_MAX = 50_000;
/** Of one message. */
const UPDATES_PER_MESSAGE_MAX = 500;

export interface CommandServerOptions {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly serve: (showId: ShowId, command: Command, deadlineMs: number) => Promise<NodeReply>;
  readonly timers: Timers;
  readonly log: Log;
}

interface Outgoing {
  readonly id: number;
  readonly reply: NodeReply;
}

export class CommandServer {
  readonly #options: CommandServerOptions;
  #incarnation = 0;
  #unsubscribe: () => void = () => undefined;
  #updates: ShowUpdate[] = [];
  readonly #replies = new Map<string, Outgoing[]>();
  #flushing: TimerHandle | undefined;
  #updateNumber = 0;
  #underWay = 0;
  #onIdle: (() => void) | undefined;
  #isStopped = false;

  constructor(options: CommandServerOptions) {
    this.#options = options;
  }

  /** Messages of changes so far (T3). */
  get updateNumber(): number {
    return this.#updateNumber;
  }

  /** A life begins: its changes are numbered anew (T2). Once it is stopped there is none. */
  listen(incarnation: number): void {
    const { bus, nodeId } = this.#options;
    if (this.#isStopped) return;
    this.#flush();
    this.#unsubscribe();
    this.#incarnation = incarnation;
    this.#updateNumber = 0;
    this.#unsubscribe = bus.subscribe(commandSubject(nodeId, incarnation), ({ data }) => this.#hear(data));
  }

  /** A committed change, before its replies leave. */
  publish(update: ShowUpdate): void {
    this.#updates.push(update);
    this.#plan();
  }

  /** Takes no more commands; resolves when those under way are answered. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#flush();
  }

  #hear(data: Uint8Array): void {
    const decoded = decodeCommandBatch(data);
    if (decoded.kind !== "ok") {
      this.#options.log.error({ reason: decoded.message }, "a gateway's message cannot be read");
      return;
    }
    const { from, commands, unreadable } = decoded.value;
    for (const { id, message } of unreadable) {
      this.#options.log.error({ reason: message }, "a gateway's command cannot be read: is it newer than this node?");
      this.#reply(from, { id, reply: OVERLOADED });
    }
    for (const { id, showId, command, deadlineMs } of commands) {
      if (this.#underWay >= UNDER_WAY_MAX) this.#reply(from, { id, reply: OVERLOADED });
      else void this.#serve(from, id, this.#options.serve(showId, command, deadlineMs));
    }
  }

  async #serve(from: string, id: number, serving: Promise<NodeReply>): Promise<void> {
    this.#underWay += 1;
    try {
      this.#reply(from, { id, reply: await serving });
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle?.();
    }
  }

  #reply(gatewayId: string, outgoing: Outgoing): void {
    const known = this.#replies.get(gatewayId);
    if (known === undefined) this.#replies.set(gatewayId, [outgoing]);
    else known.push(outgoing);
    this.#plan();
  }

  #plan(): void {
    this.#flushing ??= this.#options.timers.setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#options.timers.clearImmediate(this.#flushing);
    this.#flushing = undefined;
    this.#flushUpdates();
    for (const [gatewayId, replies] of this.#replies) this.#flushReplies(gatewayId, replies);
    this.#replies.clear();
  }

  #flushUpdates(): void {
    const { bus, nodeId } = this.#options;
    const all = this.#updates;
    if (all.length === 0) return;
    this.#updates = [];
    for (let from = 0; from < all.length; from += UPDATES_PER_MESSAGE_MAX) {
      this.#updateNumber += 1;
      const updates = all.slice(from, from + UPDATES_PER_MESSAGE_MAX);
      const batch = { nodeId, incarnation: this.#incarnation, number: this.#updateNumber, updates };
      bus.publish(updateSubject(nodeId), encodeUpdateBatch(batch));
    }
  }

  #flushReplies(gatewayId: string, replies: readonly Outgoing[]): void {
    const subject = replySubject(gatewayId, "r");
    for (const message of replyMessages({ replies })) this.#options.bus.publish(subject, message);
  }
}

const OVERLOADED: NodeReply = { kind: "fault", fault: { code: "overloaded", outcome: "none", retryAfterMs: 1_000 } };
