// Goal: every command is answered, once, with the truth about what may have happened (L1–L4). Method: nodes that answer
// as the test says, at the other end of a bus in memory; time by hand.

import t, { type Test } from "tap";
import { FakeNet } from "../shared/cluster/fake-bus.ts";
import { Ring } from "../shared/cluster/ring.ts";
import {
  commandSubject,
  heartbeatSubject,
  replySubject,
  updateSubject,
  VIEW_SUBJECT,
} from "../shared/cluster/subjects.ts";
import type { ClusterView, Member } from "../shared/cluster/view.ts";
import type { OperationId, SessionId, ShowId } from "../shared/kernel/ids.ts";
import { silentLog } from "../shared/platform/log.ts";
import type { Command } from "../shared/protocol/command.ts";
import type { Fault, Reply, ShowUpdate } from "../shared/protocol/reply.ts";
import {
  type CommandOfBatch,
  decodeCommandBatch,
  encodeReplyBatch,
  encodeUpdateBatch,
  MESSAGE_BYTES_MAX,
  type NodeReply,
} from "../shared/wire/messages.ts";
import { FakeTime, settled } from "../waitlist/poll/fake-time.ts";
import { AllocatorClient } from "./allocator-client.ts";

const SHOW = "show-1" as ShowId;
const DONE: NodeReply = { kind: "done" };
const fault = (code: Fault["code"], outcome: Fault["outcome"] = "none"): NodeReply => ({
  kind: "fault",
  fault: { code, outcome, retryAfterMs: 1_000 },
});
const moved = (owner: string | undefined, view = 1): NodeReply => ({ kind: "moved", owner, view });
const member = (nodeId: string, incarnation = 1): Member => ({ nodeId, incarnation, state: "up" });
const viewOf = (version: number, ...members: (string | Member)[]): ClusterView => ({
  version,
  members: members.map((each) => (typeof each === "string" ? member(each) : each)),
});
const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
const read = (after: number): Command => ({ kind: "ReadLog", after, limit: 1 });
const numberOf = ({ command }: CommandOfBatch): number => (command.kind === "ReadLog" ? command.after : -1);

class House {
  readonly time = new FakeTime();
  readonly net = new FakeNet({
    now: this.time.now,
    after: (delayMs, callback) => void this.time.setTimeout(callback, delayMs),
    random: () => 0.5,
  });
  readonly bus = this.net.connect("gateway");
  readonly cluster = this.net.connect("cluster");
  stored: ClusterView | Error;
  reads = 0;
  readonly client: AllocatorClient;

  constructor(...nodes: (string | Member)[]) {
    this.stored = viewOf(1, ...nodes);
    this.client = new AllocatorClient({
      gatewayId: "g1",
      bus: this.bus,
      readView: async () => {
        this.reads += 1;
        if (this.stored instanceof Error) throw this.stored;
        return this.stored;
      },
      timers: this.time,
      now: this.time.now,
      random: () => 0.5,
      log: silentLog(),
    });
  }

  static async started(t: Test, ...nodes: (string | Member)[]): Promise<House> {
    const house = new House(...nodes);
    await house.client.start();
    t.teardown(() => house.client.stop());
    return house;
  }

  /** A life of a node. It answers what `answer` says; `undefined` is silence. */
  node(nodeId: string, answer: (asked: CommandOfBatch) => NodeReply | undefined, incarnation = 1) {
    const bus = this.net.connect(nodeId);
    const heard: CommandOfBatch[] = [];
    const messages: number[] = [];
    const say = (replies: { id: number; reply: NodeReply }[]): void =>
      bus.publish(replySubject("g1", "r"), encodeReplyBatch({ replies }));
    const end = bus.subscribe(commandSubject(nodeId, incarnation), ({ data }) => {
      const decoded = decodeCommandBatch(data);
      if (decoded.kind !== "ok") throw new Error(decoded.message);
      heard.push(...decoded.value.commands);
      messages.push(decoded.value.commands.length);
      const replies = decoded.value.commands.flatMap((asked) => {
        const reply = answer(asked);
        return reply === undefined ? [] : [{ id: asked.id, reply }];
      });
      if (replies.length > 0) say(replies);
    });
    return { bus, heard, messages, say, end };
  }

  announce(view: ClusterView): void {
    this.stored = view;
    this.cluster.publish(VIEW_SUBJECT, json(view));
  }

  ask(command: Command = read(0), deadlineMs = 5_000, showId = SHOW) {
    const asking = { answers: [] as Reply[], word: () => wordOf(asking.answers) };
    void this.client.ask(showId, command, deadlineMs).then((reply) => asking.answers.push(reply));
    return asking;
  }
}

function wordOf(answers: readonly Reply[]): string {
  if (answers.length !== 1) return answers.length === 0 ? "waits" : `${answers.length} answers`;
  const reply = answers[0] as Reply;
  return reply.kind === "fault" ? `${reply.fault.code} ${reply.fault.outcome}` : reply.kind;
}

/** Whose the show is when these are up. */
const ownerAmong = (...nodeIds: string[]): string => Ring.of(nodeIds).owner(SHOW) as string;
const [OWNER, OTHER] = ownerAmong("a", "b") === "a" ? ["a", "b"] : ["b", "a"];

t.test("a tick's commands to one node are one message, in the order of asking", async (t) => {
  const house = await House.started(t, OWNER);
  const node = house.node(OWNER, () => DONE);
  const all = Array.from({ length: 1_200 }, (_, i) => house.ask(read(i), 5_000, `show-${i % 7}` as ShowId));
  await house.time.pass(0);
  t.same(node.messages, [500, 500, 200]);
  t.same(
    node.heard.map(numberOf),
    all.map((_, i) => i),
  );
  t.ok(all.every(({ answers }) => answers.length === 1));
});

t.test("a tick of more than a message holds is several, in order, each heard or not by itself", async (t) => {
  const house = await House.started(t, OWNER);
  const large = (i: number): Command => ({
    kind: "BlockSeats",
    operation: { id: "o".repeat(22) as OperationId, requestHash: i },
    seats: Array.from({ length: 30_000 }, (_, seat) => seat + 300),
  });
  const node = house.node(OWNER, () => undefined);
  const all = Array.from({ length: 40 }, (_, i) => house.ask(large(i), 1_000));
  await house.time.pass(0);
  t.ok(node.messages.length > 1, `${node.messages}`);
  t.ok(house.net.published.every(({ data }) => data.length <= MESSAGE_BYTES_MAX));
  t.same(
    node.heard.map(({ command }) => (command.kind === "BlockSeats" ? command.operation.requestHash : -1)),
    all.map((_, i) => i),
  );
  // Only the last message finds nobody: what the others carried may have taken effect.
  const asked = house.net.published.filter(({ reply }) => reply !== undefined);
  const unheard = asked.at(-1)?.reply as string;
  const nobody = { subject: unheard, data: new Uint8Array(), reply: undefined, isUnheard: true };
  node.end();
  house.bus.deliver(nobody);
  await house.time.pass(1_100);
  const words = all.map(({ word }) => word());
  t.equal(words[0], "outcome_pending unknown");
  t.equal(words[39], "allocators_unreachable none");
});

t.test("nobody listens: nothing took effect; it is asked again, and answered once there is somebody", async (t) => {
  const house = await House.started(t, OWNER);
  const nobody = house.ask(read(1), 300);
  const early = house.ask(read(2), 5_000);
  await house.time.pass(400);
  t.equal(nobody.word(), "allocators_unreachable none");
  const tries = house.net.published.length;
  t.ok(tries >= 5 && tries <= 40, `${tries} tries`);
  house.node(OWNER, () => DONE);
  await house.time.pass(200);
  t.equal(early.word(), "done");
});

t.test("no node is up: it waits for a view", async (t) => {
  const house = await House.started(t);
  t.same(house.client.unready(), ["allocators"]);
  house.node("a", () => DONE);
  const [waits, ends] = [house.ask(read(1)), house.ask(read(2), 500)];
  await house.time.pass(600);
  t.equal(ends.word(), "allocators_unreachable none");
  house.announce(viewOf(2, "a"));
  await house.time.pass(1);
  t.equal(waits.word(), "done", "at once when there is one");
  t.same(house.client.unready(), []);
});

t.test("moved: the other is asked at once, and from then on first", async (t) => {
  const house = await House.started(t, "a", "b");
  const wrong = house.node(OWNER, () => moved(OTHER));
  const right = house.node(OTHER, () => DONE);
  const first = house.ask();
  await house.time.pass(0);
  t.equal(first.word(), "done");
  const second = house.ask();
  await house.time.pass(0);
  t.equal(second.word(), "done");
  t.same([wrong.heard.length, right.heard.length], [1, 2]);
});

t.test("moved to and fro: slower and slower, until they agree; nothing took effect meanwhile", async (t) => {
  const house = await House.started(t, "a", "b");
  let agree = false;
  const one = house.node(OWNER, () => (agree ? DONE : moved(OTHER)));
  const two = house.node(OTHER, () => moved(OWNER));
  const [early, late] = [house.ask(read(1), 1_000), house.ask(read(2), 5_000)];
  await house.time.pass(1_100);
  t.equal(early.word(), "allocators_unreachable none");
  t.ok(one.heard.length + two.heard.length <= 60, `${one.heard.length + two.heard.length} askings in a second`);
  agree = true;
  await house.time.pass(200);
  t.equal(late.word(), "done");
});

t.test("moved to a node that is not known: the view is read, and then that node is asked", async (t) => {
  const house = await House.started(t, "a", "b");
  const old = house.node(OWNER, () => moved("c", 2));
  house.node("c", () => DONE);
  house.stored = viewOf(2, OTHER, "c");
  const reads = house.reads;
  const asking = house.ask();
  await house.time.pass(1);
  t.equal(house.reads, reads + 1);
  const known = Ring.of([OTHER, "c"]).owner(SHOW) === "c";
  house.node(OTHER, () => moved("c", 2));
  await house.time.pass(known ? 20 : 100);
  t.equal(asking.word(), "done");
  t.equal(old.heard.length, 1, "it is not asked the same again at once");
});

t.test("moved by a node that knows nobody, or itself: later again", async (t) => {
  const house = await House.started(t, OWNER);
  let answers = [moved(undefined), moved(OWNER), DONE];
  const node = house.node(OWNER, () => {
    const [first, ...others] = answers;
    answers = others;
    return first;
  });
  const asking = house.ask();
  await house.time.pass(0);
  t.same([asking.word(), node.heard.length], ["waits", 1]);
  await house.time.pass(100);
  t.same([asking.word(), node.heard.length], ["done", 3]);
});

t.test("the time is up: waiting to be sent it took no effect, sent it may have", async (t) => {
  const house = await House.started(t, OWNER);
  const node = house.node(OWNER, () => undefined);
  const asking = house.ask(read(1), 1_000);
  await house.time.pass(999);
  t.equal(asking.word(), "waits");
  await house.time.pass(21);
  t.equal(asking.word(), "outcome_pending unknown");
  node.say([{ id: node.heard[0]?.id ?? 0, reply: DONE }]);
  await house.time.pass(100);
  t.equal(asking.word(), "outcome_pending unknown", "what comes later is nobody's");
  t.equal(node.heard[0]?.deadlineMs, 1_000);
});

t.test("each sending says how much time is left", async (t) => {
  const house = await House.started(t, "a", "b");
  const asking = house.ask(read(1), 5_000);
  await house.time.pass(2_000);
  const node = house.node(OWNER, () => DONE);
  await house.time.pass(100);
  t.equal(asking.word(), "done");
  const left = node.heard[0]?.deadlineMs ?? 0;
  t.ok(left > 2_850 && left <= 3_000, `${left}`);
});

t.test("an answer is lost: asked again after a while, and answered once", async (t) => {
  const house = await House.started(t, OWNER);
  let isLost = true;
  const node = house.node(OWNER, () => (isLost ? undefined : DONE));
  const asking = house.ask(read(1), 10_000);
  await house.time.pass(2_900);
  t.equal(node.heard.length, 1);
  isLost = false;
  await house.time.pass(200);
  t.equal(asking.word(), "done");
  t.equal(node.heard.length, 2);
  node.say([{ id: node.heard[0]?.id ?? 0, reply: DONE }]);
  await house.time.pass(100);
  t.equal(asking.word(), "done", "the first answer, late: nobody waits for it");
});

t.test("the node dies with a command: the next owner is asked, and a fault of its then says unknown", async (t) => {
  const house = await House.started(t, "a", "b");
  const dead = house.node(OWNER, () => undefined);
  let answer: NodeReply | undefined;
  const next = house.node(OTHER, () => answer);
  const outcomes: string[] = [];
  for (const reply of [fault("overloaded"), DONE, fault("store_unavailable")]) {
    house.announce(viewOf((house.stored as ClusterView).version + 1, "a", "b"));
    await house.time.pass(11_000);
    const asking = house.ask();
    await house.time.pass(10);
    answer = reply;
    house.announce(viewOf((house.stored as ClusterView).version + 1, OTHER));
    await house.time.pass(1);
    outcomes.push(asking.word());
  }
  t.same(outcomes, ["overloaded unknown", "done", "store_unavailable unknown"]);
  t.same([dead.heard.length, next.heard.length], [3, 3]);
});

t.test("a fault of the only one that was asked says what it says", async (t) => {
  const house = await House.started(t, OWNER);
  let reply = fault("overloaded");
  house.node(OWNER, () => reply);
  const first = house.ask();
  await house.time.pass(0);
  reply = fault("outcome_pending", "unknown");
  const second = house.ask();
  await house.time.pass(0);
  t.same([first.word(), second.word()], ["overloaded none", "outcome_pending unknown"]);
});

t.test("moved after it may have taken effect: a fault of the next owner says unknown", async (t) => {
  const house = await House.started(t, "a", "b");
  house.node(OWNER, () => ({ kind: "moved", owner: OTHER, view: 1, isUncertain: true }));
  let reply = fault("overloaded");
  house.node(OTHER, () => reply);
  const refused = house.ask();
  await house.time.pass(0);
  t.equal(refused.word(), "overloaded unknown");
  reply = DONE;
  const done = house.ask();
  await house.time.pass(0);
  t.equal(done.word(), "done");
});

t.test("the node is back as another life: what was sent to the first one is asked again", async (t) => {
  const house = await House.started(t, OWNER);
  const first = house.node(OWNER, () => undefined);
  const asking = house.ask();
  await house.time.pass(10);
  first.end();
  const second = house.node(OWNER, () => DONE, 2);
  house.announce(viewOf(2, member(OWNER, 2)));
  await house.time.pass(1);
  t.equal(asking.word(), "done");
  t.same([first.heard.length, second.heard.length], [1, 1]);
});

t.test("a view that is older, or comes again, sends nothing again", async (t) => {
  const house = await House.started(t, "a", "b");
  const node = house.node(OWNER, () => undefined);
  house.announce(viewOf(5, "a", "b"));
  await house.time.pass(1);
  house.ask();
  await house.time.pass(1);
  const stored = house.stored;
  house.announce(viewOf(5, OTHER));
  house.announce(viewOf(4, OTHER));
  house.stored = stored;
  await house.time.pass(100);
  t.equal(node.heard.length, 1);
});

t.test(
  "the bus is lost and found: everything that was sent is sent again, and views and updates are suspect",
  async (t) => {
    const house = await House.started(t, OWNER);
    let losses = 0;
    house.client.onLost(() => {
      losses += 1;
    });
    let answer: NodeReply | undefined;
    const node = house.node(OWNER, () => answer);
    const [first, second] = [house.ask(read(1), 10_000), house.ask(read(2), 500)];
    await house.time.pass(10);
    house.bus.connect(false);
    t.same(house.client.unready(), ["nats"]);
    const refused = house.ask(read(3));
    await house.time.pass(600);
    t.equal(refused.word(), "allocators_unreachable none");
    t.equal(second.word(), "outcome_pending unknown");
    answer = fault("overloaded");
    const reads = house.reads;
    house.bus.connect(true);
    await house.time.pass(20);
    t.equal(first.word(), "overloaded unknown");
    t.same(node.heard.map(numberOf), [1, 2, 1]);
    t.equal(losses, 1);
    t.ok(house.reads > reads);
  },
);

t.test("what was asked when the bus went, and never left, took no effect", async (t) => {
  const house = await House.started(t, OWNER);
  const node = house.node(OWNER, () => DONE);
  const [ends, waits] = [house.ask(read(1), 1_000), house.ask(read(2), 10_000)];
  house.bus.connect(false);
  await house.time.pass(2_000);
  t.equal(ends.word(), "allocators_unreachable none");
  house.bus.connect(true);
  await house.time.pass(100);
  t.equal(waits.word(), "done");
  t.equal(node.heard.length, 1);
});

t.test("20,000 are outstanding: one more is refused at once; when they end, there is room", async (t) => {
  const house = await House.started(t, OWNER);
  const node = house.node(OWNER, () => undefined);
  const all = Array.from({ length: 20_000 }, (_, i) => house.ask(read(i), 1_000));
  const more = house.ask(read(20_000));
  await settled();
  t.equal(more.word(), "overloaded none");
  await house.time.pass(1_020);
  t.ok(all.every(({ word }) => word() === "outcome_pending unknown"));
  t.equal(node.heard.length, 20_000);
  const again = house.ask(read(1), 100);
  await house.time.pass(0);
  t.equal(again.word(), "waits");
});

t.test("stop answers everything, by what was done with it, and nothing is left", async (t) => {
  const house = await House.started(t, OWNER);
  house.node(OWNER, () => undefined);
  const sent = house.ask(read(1));
  await house.time.pass(1);
  const unsent = house.ask(read(2));
  house.client.stop();
  const after = house.ask(read(3));
  await settled();
  t.same(
    [sent.word(), unsent.word(), after.word()],
    ["outcome_pending unknown", "allocators_unreachable none", "allocators_unreachable none"],
  );
  t.equal(house.bus.listenings, 0);
  await house.time.pass(0);
  t.equal(house.time.armed.length, 0);
});

t.test("a start that cannot read the view leaves nothing behind", async (t) => {
  const house = new House("a");
  house.stored = new Error("away");
  await t.rejects(house.client.start(), /away/);
  t.equal(house.bus.listenings, 0);
  t.equal(house.time.armed.length, 0);
});

t.test(
  "the view is read every second, and as soon as a heartbeat knows of a newer one; one that fails costs nothing",
  async (t) => {
    const house = await House.started(t, "a");
    house.node("b", () => DONE);
    const heartbeat = (view: number): void => {
      const facts = { nodeId: "a", incarnation: 1, view, updates: 0, unready: [] };
      house.cluster.publish(heartbeatSubject("a"), json(facts));
    };
    await house.time.pass(3_100);
    t.ok(house.reads >= 3 && house.reads <= 5, `${house.reads}`);
    house.stored = new Error("away");
    await house.time.pass(2_000);
    const asking = house.ask(read(1), 3_000);
    house.stored = viewOf(2, "b");
    const reads = house.reads;
    heartbeat(1);
    await house.time.pass(1);
    t.equal(house.reads, reads);
    heartbeat(2);
    await house.time.pass(1);
    t.equal(house.reads, reads + 1);
    t.equal(asking.word(), "done");
  },
);

t.test("what cannot be read is passed over; an answer that cannot be read is an unknown outcome", async (t) => {
  const house = await House.started(t, OWNER);
  const node = house.node(OWNER, () => undefined);
  const asking = house.ask(read(1), 1_000);
  await house.time.pass(1);
  for (const subject of [replySubject("g1", "r"), VIEW_SUBJECT, heartbeatSubject("a"), updateSubject("a")]) {
    node.bus.publish(subject, Buffer.from("what?"));
  }
  node.say([{ id: 999_999, reply: DONE }]);
  await house.time.pass(1);
  t.equal(asking.word(), "waits");
  t.same(house.client.unready(), []);
});

t.test("updates reach listeners before the reply of their command; a gap is told", async (t) => {
  const house = await House.started(t, OWNER);
  const order: string[] = [];
  const update = (version: number): ShowUpdate => {
    return { showId: SHOW, epoch: 1, previous: version - 1, version, changes: [], queued: 0, touched: [] };
  };
  let number = 0;
  const node = house.node(OWNER, ({ id }) => {
    number += 1;
    const batch = { nodeId: OWNER, incarnation: 1, number, updates: [update(number)] };
    node.bus.publish(updateSubject(OWNER), encodeUpdateBatch(batch));
    return id > 0 ? DONE : undefined;
  });
  const stop = house.client.onUpdate(({ version }) => order.push(`update ${version}`));
  house.client.onLost(() => order.push("lost"));
  void house.client.ask(SHOW, read(1), 1_000).then(() => order.push("reply"));
  await house.time.pass(0);
  number += 1;
  void house.client.ask(SHOW, read(1), 1_000).then(() => order.push("reply"));
  await house.time.pass(0);
  t.same(order, ["update 1", "reply", "update 3", "lost", "reply"]);
  stop();
  house.ask();
  await house.time.pass(0);
  t.equal(order.length, 5);
});

t.test("commands carry their operation whatever happens to them on the way: the same, each time", async (t) => {
  const house = await House.started(t, "a", "b");
  const nodes = [house.node(OWNER, () => undefined), house.node(OTHER, () => undefined)] as const;
  const command: Command = {
    kind: "PlaceHold",
    session: "s1" as SessionId,
    operation: { id: "o".repeat(22) as OperationId, requestHash: 7 },
    choice: { by: "seats", seats: [1, 2] },
  };
  house.ask(command, 10_000);
  await house.time.pass(3_100);
  house.announce(viewOf(2, OTHER));
  await house.time.pass(1);
  const all = nodes.flatMap(({ heard }) => heard);
  t.equal(all.length, 3);
  for (const { command: heard } of all) t.same(heard, command);
});
