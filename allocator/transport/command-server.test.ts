// Goal: what a gateway hears of a node is whole, in order and numbered (T1–T3), and everything it asks is answered.
// Method: a gateway of the test's at the other end of a bus in memory; replies are given when the test says.

import t from "tap";
import { FakeNet } from "../../shared/cluster/fake-bus.ts";
import { commandSubject, replySubject, updateSubject } from "../../shared/cluster/subjects.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import {
  decodeReplyBatch,
  decodeUpdateBatch,
  encodeCommandBatch,
  type NodeReply,
  type UpdateBatch,
} from "../../shared/wire/messages.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { CommandServer } from "./command-server.ts";

const DONE: NodeReply = { kind: "done" };
const update = (version: number): ShowUpdate => ({
  showId: "show-1" as ShowId,
  epoch: 1,
  previous: version - 1,
  version,
  changes: [],
  queued: 0,
  touched: [],
});

function house() {
  const time = new FakeTime();
  const net = new FakeNet({
    now: time.now,
    after: (delayMs, callback) => void time.setTimeout(callback, delayMs),
    random: () => 0.5,
  });
  const [bus, gateway] = [net.connect("node"), net.connect("gateway")];
  const asked: { readonly deadlineMs: number; readonly answer: (reply: NodeReply) => void }[] = [];
  const heard: string[] = [];
  const batches: UpdateBatch[] = [];
  const replies = new Map<number, string>();
  const server = new CommandServer({
    nodeId: "n1",
    bus,
    serve: (_, __, deadlineMs) => new Promise((answer) => asked.push({ deadlineMs, answer })),
    timers: time,
    log: silentLog(),
  });
  gateway.subscribe(replySubject("g1", "*"), ({ data, isUnheard }) => {
    const decoded = decodeReplyBatch(data);
    if (isUnheard) heard.push("nobody");
    if (isUnheard || decoded.kind !== "ok") return;
    heard.push(`${decoded.value.replies.length} replies`);
    for (const { id, reply } of decoded.value.replies) {
      replies.set(id, reply.kind === "fault" ? `${reply.fault.code} ${reply.fault.outcome}` : reply.kind);
    }
  });
  gateway.subscribe(updateSubject("n1"), ({ data }) => {
    const decoded = decodeUpdateBatch(data);
    if (decoded.kind !== "ok") throw new Error(decoded.message);
    batches.push(decoded.value);
    heard.push(`${decoded.value.updates.length} updates`);
  });
  const ask = (ids: readonly number[], incarnation = 1): void => {
    const commands = ids.map((id) => {
      return { id, showId: "show-1" as ShowId, command: { kind: "ReadSeatMap" } as const, deadlineMs: 700 };
    });
    const data = encodeCommandBatch({ from: "g1", view: 1, commands });
    gateway.publish(commandSubject("n1", incarnation), data, replySubject("g1", "1"));
  };
  return { time, net, bus, gateway, server, asked, heard, batches, replies, ask };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

t.test("changes leave before the replies of the same tick, each kind in one message", async (t) => {
  const { time, server, ask, asked, heard, batches } = house();
  server.listen(1);
  ask([1, 2, 3]);
  await time.pass(0);
  t.equal(asked[0]?.deadlineMs, 700);
  for (const { answer } of asked) answer(DONE);
  await settled();
  server.publish(update(1));
  server.publish(update(2));
  await time.pass(0);
  t.same(heard, ["2 updates", "3 replies"]);
  t.same(
    batches.map(({ nodeId, incarnation, number }) => [nodeId, incarnation, number]),
    [["n1", 1, 1]],
  );
});

t.test("messages of changes are numbered from 1, a tick of many is several, in order", async (t) => {
  const { time, server, batches } = house();
  server.listen(4);
  t.equal(server.updateNumber, 0);
  for (let version = 1; version <= 1_200; version += 1) server.publish(update(version));
  t.equal(server.updateNumber, 0, "what has not left yet has no number");
  await time.pass(0);
  t.same(
    batches.map(({ number, updates }) => [number, updates.length, updates[0]?.version]),
    [
      [1, 500, 1],
      [2, 500, 501],
      [3, 200, 1_001],
    ],
  );
  t.equal(server.updateNumber, 3);
});

t.test("another life: commands of the former one find nobody, its changes leave under its own number", async (t) => {
  const { time, server, ask, asked, heard, batches } = house();
  server.listen(1);
  server.publish(update(1));
  await time.pass(0);
  server.publish(update(2));
  server.listen(2);
  t.equal(server.updateNumber, 0);
  server.publish(update(3));
  ask([1], 1);
  await time.pass(0);
  t.same(
    batches.map(({ incarnation, number, updates }) => [incarnation, number, updates[0]?.version]),
    [
      [1, 1, 1],
      [1, 2, 2],
      [2, 1, 3],
    ],
  );
  t.same([asked.length, heard.includes("nobody")], [0, true]);
  ask([2], 2);
  await time.pass(0);
  t.equal(asked.length, 1);
  t.equal(time.armed.length, 0);
});

t.test("stop takes nothing new, answers what is under way, and lets the last changes go first", async (t) => {
  const { time, bus, server, ask, asked, heard, replies } = house();
  server.listen(1);
  ask([1, 2]);
  await time.pass(0);
  let isStopped = false;
  const stopping = server.stop().then(() => {
    isStopped = true;
  });
  ask([3]);
  await time.pass(0);
  t.notOk(isStopped);
  asked[0]?.answer(DONE);
  await settled();
  await time.pass(0);
  t.notOk(isStopped);
  server.publish(update(1));
  asked[1]?.answer(DONE);
  await stopping;
  await time.pass(0);
  t.same(heard, ["nobody", "1 replies", "1 updates", "1 replies"]);
  t.same([...replies.keys()], [1, 2]);
  t.same([time.armed.length, bus.listenings], [0, 0]);
  server.listen(2);
  t.equal(bus.listenings, 0, "a life that begins after the end is none");
});

t.test("stopped while nothing is under way: what there is to say leaves at once", async (t) => {
  const { time, server, heard } = house();
  server.listen(1);
  server.publish(update(1));
  await server.stop();
  await time.pass(0);
  t.same(heard, ["1 updates"]);
});

t.test("50,000 are under way: further ones are refused, and taken again when there is room", async (t) => {
  const { time, server, ask, asked, replies } = house();
  server.listen(1);
  for (let from = 0; from < 50_000; from += 10_000) ask(upTo(10_000).map((i) => from + i));
  ask([50_001, 50_002]);
  await time.pass(0);
  t.equal(asked.length, 50_000);
  t.same(
    [...replies],
    [
      [50_001, "overloaded none"],
      [50_002, "overloaded none"],
    ],
  );
  asked[0]?.answer(DONE);
  await time.pass(0);
  ask([50_003]);
  await time.pass(0);
  t.equal(asked.length, 50_001);
});

t.test(
  "a message that cannot be read is passed over; a command that cannot is refused, its neighbours are not",
  async (t) => {
    const { time, gateway, server, ask, asked, replies } = house();
    server.listen(1);
    gateway.publish(commandSubject("n1", 1), Buffer.from("what?"), replySubject("g1", "1"));
    const newer = [
      { id: 1, showId: "show-1" as ShowId, command: { kind: "ReadSeatMap" } as const, deadlineMs: 1 },
      { id: 2, showId: "no show!" as ShowId, command: { kind: "ReadSeatMap" } as const, deadlineMs: 1 },
    ];
    gateway.publish(commandSubject("n1", 1), encodeCommandBatch({ from: "g1", view: 1, commands: newer }));
    await time.pass(0);
    t.equal(asked.length, 1);
    t.same([...replies], [[2, "overloaded none"]]);
    ask([3]);
    await time.pass(0);
    t.equal(asked.length, 2);
  },
);

t.test("replies too large for one message are several; each gateway gets its own", async (t) => {
  const { time, net, server, ask, asked, replies } = house();
  server.listen(1);
  ask(upTo(60));
  await time.pass(0);
  const status = "0".repeat(32_768);
  for (const { answer } of asked) {
    answer({ kind: "snapshot", snapshot: { showId: "show-1" as ShowId, epoch: 1, version: 1, status, queued: 0 } });
  }
  await settled();
  net.published.length = 0;
  await time.pass(0);
  t.ok(net.published.length > 1, `${net.published.length} messages`);
  t.ok(net.published.every(({ data }) => data.length < 1024 * 1024));
  t.equal(replies.size, 60);
});
