import t from "tap";
import { FakeNet } from "../../shared/cluster/fake-bus.ts";
import { claimSubject } from "../../shared/cluster/subjects.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { ClaimNews } from "./claim-news.ts";

function house() {
  const time = new FakeTime();
  const net = new FakeNet({
    now: time.now,
    after: (delayMs, callback) => void time.setTimeout(callback, delayMs),
    random: () => 0.5,
  });
  const node = (nodeId: string) => {
    const heard: [ShowId, number][] = [];
    const bus = net.connect(nodeId);
    const onClaim = (showId: ShowId, epoch: number): void => void heard.push([showId, epoch]);
    return { heard, bus, news: new ClaimNews({ nodeId, bus, timers: time, onClaim }) };
  };
  return { time, net, a: node("a"), b: node("b") };
}

t.test("the others hear of what was claimed, a tick in one message; who claimed does not hear itself", async (t) => {
  const { time, net, a, b } = house();
  a.news.tell("show-1" as ShowId, 7);
  a.news.tell("show-2" as ShowId, 8);
  await time.pass(0);
  t.same(b.heard, [
    ["show-1", 7],
    ["show-2", 8],
  ]);
  t.same(a.heard, []);
  t.equal(net.published.length, 1);
});

t.test("a takeover of very many is told in messages that the bus takes", async (t) => {
  const { time, net, a, b } = house();
  for (let i = 0; i < 12_000; i += 1) a.news.tell(`${"x".repeat(34)}-${i}`.slice(0, 40) as ShowId, 1_000_000 + i);
  await time.pass(0);
  t.equal(b.heard.length, 12_000);
  t.ok(net.published.length > 1 && net.published.every(({ data }) => data.length < 512 * 1024));
});

t.test("what is no claim is passed over; stopped, it neither tells nor hears", async (t) => {
  const { time, net, a, b } = house();
  const crier = net.connect("crier");
  for (const text of ["{", "null", "7", '[["show-1"]]', "[[1,2]]", "[null]"]) {
    crier.publish(claimSubject("c"), Buffer.from(text));
  }
  await time.pass(0);
  t.same(b.heard, []);
  b.news.stop();
  a.news.tell("show-1" as ShowId, 7);
  a.news.stop();
  await time.pass(0);
  t.same([b.heard, time.armed, a.bus.listenings, b.bus.listenings], [[], [], 0, 0]);
});
