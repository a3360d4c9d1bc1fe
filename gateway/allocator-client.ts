// The allocators behind the gateway's interface, over a bus: who owns the show is asked, again and again with the same
// operation, until there is an answer or the time is up.
// L1: the commands of one tick to one node are one message; replies come as they come, many to a message.
// L2: a command is sent again when its node is gone from the view, says `moved`, was not listening, or when the bus was
//     lost in between. It takes effect once: it carries its operation.
// L3: `ask` never rejects. A command that was sent and not answered in time is `outcome_pending`, never "failed"; one
//     that was never heard took no effect, and says so. A fault after an unknown outcome says that it is unknown.
// L4: updates carry a number a node: a gap in them, a heartbeat that knows of more, or a lost bus means that anything may
//     have been missed, and `onLost` says so.

import type { Bus, BusMessage } from "../shared/cluster/bus.ts";
import { Routes } from "../shared/cluster/routes.ts";
import { ANY_UPDATES, commandSubject, HEARTBEATS, replySubject, VIEW_SUBJECT } from "../shared/cluster/subjects.ts";
import { type ClusterView, type Member, memberOf, viewFrom } from "../shared/cluster/view.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { Log } from "../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../shared/platform/timers.ts";
import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";
import type { Command } from "../shared/protocol/command.ts";
import type { Reply, ShowUpdate } from "../shared/protocol/reply.ts";
import { commandMessages, decodeReplyBatch, type NodeReply } from "../shared/wire/messages.ts";
import { type Asked, late, type Message, overloaded, unreachable, withUnknownOutcome } from "./outstanding.ts";
import { UpdateFeed } from "./update-feed.ts";

/** Commands without an answer; one more is refused at once. */
const OUTSTANDING_MAX = 20_000;
/** Of one message; a tick of more is several. */
const BATCH_MAX = 500;
const SWEEP_MS = 20;
/** Pauses before a command goes out again, growing. */
const RETRY_MIN_MS = 5;
const RETRY_MAX_MS = 80;
/** A node that is in the view and says nothing for so long is asked again: the message may be lost. */
const SILENCE_MS = 3_000;
const VIEW_POLL_MS = 1_000;

export interface AllocatorClientOptions {
  /** Unique to this process: answers come to it. */
  readonly gatewayId: string;
  readonly bus: Bus;
  /** The view as Postgres has it. */
  readonly readView: () => Promise<ClusterView>;
  readonly timers: Timers;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: () => number;
  readonly log: Log;
}

export class AllocatorClient implements AllocatorPort {
  readonly #options: AllocatorClientOptions;
  readonly #routes: Routes;
  readonly #feed: UpdateFeed;
  readonly #asked = new Map<number, Asked>();
  /** To be sent at the end of the tick. */
  #outgoing: Asked[] = [];
  #flushing: TimerHandle | undefined;
  #lastId = 0;
  #lastMessage = 0;
  /** By number: for those that nobody heard. */
  readonly #messages = new Map<number, Message>();
  #sweep: TimerHandle | undefined;
  #polledAt = Number.NEGATIVE_INFINITY;
  #isPolling = false;
  #stops: (() => void)[] = [];
  #isStopped = false;

  constructor(options: AllocatorClientOptions) {
    this.#options = options;
    this.#routes = new Routes(options.now);
    this.#feed = new UpdateFeed(options.now);
  }

  /** Rejects when the view cannot be read; nothing is left of it then. */
  async start(): Promise<void> {
    const { bus, gatewayId, readView } = this.#options;
    this.#stops = [
      bus.subscribe(ANY_UPDATES, ({ data }) => this.#feed.hear(data)),
      bus.subscribe(HEARTBEATS, ({ data }) => this.#lookUp(this.#feed.hearHeartbeat(data))),
      bus.subscribe(replySubject(gatewayId, "*"), (message) => this.#hear(message)),
      bus.subscribe(VIEW_SUBJECT, ({ data }) => this.#adopt(viewFrom(jsonOf(data)))),
      bus.onConnection((isConnected) => isConnected && this.#onReconnected()),
    ];
    try {
      this.#adopt(await readView());
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#plan();
  }

  /** Answers everything that waits. */
  stop(): void {
    this.#isStopped = true;
    this.#options.timers.clearTimeout(this.#sweep);
    this.#options.timers.clearImmediate(this.#flushing);
    for (const stop of this.#stops.splice(0)) stop();
    for (const asked of this.#asked.values()) this.#end(asked, late(asked));
  }

  ask(showId: ShowId, command: Command, deadlineMs: number): Promise<Reply> {
    const { bus, now } = this.#options;
    if (this.#isStopped || !bus.isConnected()) return Promise.resolve(unreachable());
    if (this.#asked.size >= OUTSTANDING_MAX) return Promise.resolve(overloaded());
    return new Promise((answer) => {
      this.#lastId = (this.#lastId + 1) % Number.MAX_SAFE_INTEGER;
      const asked: Asked = {
        id: this.#lastId,
        showId,
        command,
        endsAt: now() + deadlineMs,
        answer,
        sentTo: undefined,
        sentAt: 0,
        notBefore: 0,
        pauseMs: RETRY_MIN_MS,
        isUncertain: false,
        isOutgoing: false,
        message: undefined,
      };
      this.#asked.set(asked.id, asked);
      this.#send(asked);
    });
  }

  onUpdate(listener: (update: ShowUpdate) => void): () => void {
    return this.#feed.onUpdate(listener);
  }

  onLost(listener: () => void): () => void {
    return this.#feed.onLost(listener);
  }

  unready(): readonly string[] {
    return this.#options.bus.isConnected() ? this.#feed.unready() : ["nats"];
  }

  #send(asked: Asked): void {
    this.#leaveMessage(asked);
    if (asked.isOutgoing) return;
    asked.isOutgoing = true;
    this.#outgoing.push(asked);
    this.#flushing ??= this.#options.timers.setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = undefined;
    const isConnected = this.#options.bus.isConnected();
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    const byNode = new Map<string, { readonly node: Member; readonly asked: Asked[] }>();
    for (const asked of outgoing) {
      asked.isOutgoing = false;
      if (!this.#asked.has(asked.id)) continue;
      const node = isConnected ? this.#routes.routeOf(asked.showId) : undefined;
      // Nobody is up, or the bus is away: it waits for a view, or for the bus.
      if (node === undefined) this.#later(asked);
      else {
        const known = byNode.get(node.nodeId);
        if (known === undefined) byNode.set(node.nodeId, { node, asked: [asked] });
        else known.asked.push(asked);
      }
    }
    for (const { node, asked } of byNode.values()) {
      for (let from = 0; from < asked.length; from += BATCH_MAX)
        this.#publish(node, asked.slice(from, from + BATCH_MAX));
    }
  }

  #publish(node: Member, batch: readonly Asked[]): void {
    const { bus, gatewayId, now } = this.#options;
    const sentAt = now();
    const commands = batch.map(({ id, showId, command, endsAt }) => ({
      id,
      showId,
      command,
      deadlineMs: Math.max(1, Math.round(endsAt - sentAt)),
    }));
    const parts = commandMessages({ from: gatewayId, view: this.#routes.view.version, commands });
    if (parts.length > 1 && batch.length > 1) {
      // Each part is a message of its own: one of them may be heard and another not.
      const middle = batch.length >>> 1;
      this.#publish(node, batch.slice(0, middle));
      return this.#publish(node, batch.slice(middle));
    }
    this.#lastMessage += 1;
    const message: Message = { number: this.#lastMessage, asked: batch, open: batch.length };
    this.#messages.set(message.number, message);
    for (const asked of batch) {
      asked.sentTo = node;
      asked.sentAt = sentAt;
      asked.message = message;
    }
    const subject = commandSubject(node.nodeId, node.incarnation);
    const reply = replySubject(gatewayId, String(message.number));
    for (const bytes of parts) bus.publish(subject, bytes, reply);
  }

  /** It waits no more for what its message brings. */
  #leaveMessage(asked: Asked): void {
    const { message } = asked;
    asked.sentTo = undefined;
    asked.message = undefined;
    if (message === undefined) return;
    message.open -= 1;
    if (message.open === 0) this.#messages.delete(message.number);
  }

  #hear({ subject, data, isUnheard }: BusMessage): void {
    if (isUnheard) return this.#onUnheard(Number(subject.slice(subject.lastIndexOf(".") + 1)));
    const decoded = decodeReplyBatch(data);
    if (decoded.kind !== "ok") {
      this.#options.log.error({ reason: decoded.message }, "an allocator's message cannot be read");
      return;
    }
    for (const { id, reply } of decoded.value.replies) {
      const asked = this.#asked.get(id);
      if (asked !== undefined) this.#onReply(asked, reply);
    }
  }

  #onReply(asked: Asked, reply: NodeReply): void {
    if (reply.kind !== "moved") return this.#end(asked, asked.isUncertain ? withUnknownOutcome(reply) : reply);
    const { owner, view } = reply;
    asked.isUncertain ||= reply.isUncertain === true;
    this.#lookUp(view);
    if (owner === undefined || owner === asked.sentTo?.nodeId || !this.#routes.learn(asked.showId, owner)) {
      this.#routes.forget(asked.showId);
      return this.#later(asked);
    }
    // It may be sent to and fro while two nodes do not agree: the first time at once, then slower.
    if (asked.pauseMs === RETRY_MIN_MS) {
      asked.pauseMs *= 2;
      this.#send(asked);
    } else this.#later(asked);
  }

  /** Nobody listens there: the node is dead, or not there yet. Nothing of the message took effect. */
  #onUnheard(number: number): void {
    const message = this.#messages.get(number);
    for (const asked of message?.asked ?? []) {
      if (asked.message !== message || asked.sentTo === undefined) continue;
      this.#routes.unheard(asked.showId, asked.sentTo);
      this.#later(asked);
    }
  }

  #later(asked: Asked): void {
    const { now, random } = this.#options;
    this.#leaveMessage(asked);
    asked.notBefore = now() + asked.pauseMs * (0.5 + random());
    asked.pauseMs = Math.min(RETRY_MAX_MS, asked.pauseMs * 2);
  }

  #end(asked: Asked, reply: Reply): void {
    this.#leaveMessage(asked);
    this.#asked.delete(asked.id);
    asked.answer(reply);
  }

  #adopt(view: ClusterView | undefined): void {
    if (view === undefined || !this.#routes.adopt(view)) return;
    this.#feed.follow(view);
    for (const asked of this.#asked.values()) {
      const { sentTo } = asked;
      if (sentTo === undefined) asked.notBefore = 0;
      else if (memberOf(view, sentTo.nodeId)?.incarnation !== sentTo.incarnation) {
        asked.isUncertain = true;
        this.#send(asked);
      }
    }
    this.#wake();
  }

  #onReconnected(): void {
    this.#feed.lose();
    for (const asked of this.#asked.values()) {
      asked.isUncertain ||= asked.sentTo !== undefined;
      this.#send(asked);
    }
    this.#readView();
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#sweep = this.#options.timers.setTimeout(() => {
      this.#wake();
      this.#plan();
    }, SWEEP_MS);
  }

  /** Ends what is late, sends what has waited. */
  #wake(): void {
    const now = this.#options.now();
    for (const asked of this.#asked.values()) {
      if (now >= asked.endsAt) this.#end(asked, late(asked));
      else if (asked.sentTo === undefined) {
        if (now >= asked.notBefore) this.#send(asked);
      } else if (now - asked.sentAt > SILENCE_MS) {
        asked.isUncertain = true;
        this.#send(asked);
      }
    }
    this.#feed.check();
    if (now - this.#polledAt >= VIEW_POLL_MS) this.#readView();
  }

  /** Somebody knows a view of this version. */
  #lookUp(version: number | undefined): void {
    if (version !== undefined && version > this.#routes.view.version) this.#readView();
  }

  #readView(): void {
    if (this.#isPolling || this.#isStopped) return;
    this.#isPolling = true;
    this.#polledAt = this.#options.now();
    void this.#options
      .readView()
      .then((view) => this.#adopt(view))
      // The store is away: the view that is known is as good as any.
      .catch(() => undefined)
      .finally(() => {
        this.#isPolling = false;
      });
  }
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
}
