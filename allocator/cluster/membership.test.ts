// Goal: a node comes, lives, is judged and goes as M1–M5 say, whatever happens in between. Method: several nodes on one
// test's time over a bus and a store in memory, each of which can stand still, be cut off or be killed.

import t from "tap";
import { FakeNet } from "../../shared/cluster/fake-bus.ts";
import { heartbeatSubject, VIEW_SUBJECT } from "../../shared/cluster/subjects.ts";
import type { ClusterView, Member } from "../../shared/cluster/view.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { FakeMembershipStore } from "./fake-membership-store.ts";
import { FakeProcess } from "./fake-process.ts";
import { encodeJson } from "./heartbeat.ts";
import { Membership } from "./membership.ts";

const after = (time: FakeTime) => (delayMs: number, callback: () => void) => void time.setTimeout(callback, delayMs);

class House {
  readonly time = new FakeTime();
  readonly net = new FakeNet({ now: this.time.now, after: after(this.time), random: () => 0.5 });
  readonly store = new FakeMembershipStore({ now: this.time.now, after: after(this.time) });

  node(nodeId: string, options: { readonly hasLock?: () => boolean } = {}) {
    const process = new FakeProcess(this.time);
    const bus = this.net.connect(nodeId, process.run);
    const store = this.store.connect(process.run);
    const events: string[] = [];
    const views: ClusterView[] = [];
    const membership: Membership = new Membership({
      nodeId,
      store,
      bus,
      timers: process.timers,
      reading: this.time.now,
      random: () => 0.5,
      log: silentLog(),
      facts: () => ({ updates: 0, unready: [] }),
      hasLock: options.hasLock ?? (() => true),
      onView: (view) => views.push(view),
      onIncarnation: (incarnation) => events.push(`life ${incarnation}`),
      onDeposed: () => events.push("deposed"),
    });
    this.store.locks.add(nodeId);
    const kill = (): void => {
      process.kill();
      bus.connect(false);
      this.store.locks.delete(nodeId);
    };
    return { nodeId, process, bus, store, events, views, membership, kill };
  }

  async started(...nodeIds: string[]) {
    const nodes = nodeIds.map((nodeId) => this.node(nodeId));
    for (const { membership } of nodes) await this.until(membership.start());
    // Long enough for each to judge (M2).
    await this.time.pass(1_000);
    return nodes;
  }

  /** Lets time pass until it is done. */
  async until<T>(work: Promise<T>, maxMs = 60_000): Promise<T> {
    let isDone = false;
    const watched = work.finally(() => {
      isDone = true;
    });
    watched.catch(() => undefined);
    await settled();
    for (let ms = 0; !isDone && ms < maxMs; ms += 10) await this.time.pass(10);
    if (!isDone) throw new Error(`not done after ${maxMs} ms`);
    return watched;
  }

  get members(): string {
    return this.store.present.members
      .map(({ nodeId, incarnation, state }) => `${nodeId}.${incarnation}${state === "up" ? "" : ` ${state}`}`)
      .join();
  }
}

type Node = ReturnType<House["node"]>;

t.test("nodes join, know one another at once, and leave nothing behind", async (t) => {
  const house = new House();
  const nodes = await house.started("a", "b", "c");
  t.equal(house.members, "a.1,b.1,c.1");
  for (const { membership } of nodes) t.equal(membership.view.version, 3);
  const [a, b] = nodes as [Node, Node];
  await house.until(b.membership.leave());
  t.equal(house.members, "a.1,b.1 leaving,c.1");
  await house.until(b.membership.stop());
  t.equal(house.members, "a.1,c.1");
  await house.time.pass(100);
  t.equal(a.membership.view.members.length, 2);
  for (const { membership } of nodes) await house.until(membership.stop());
  t.equal(house.members, "");
  for (const { process, bus } of nodes) t.same([process.armed, bus.listenings], [0, 0]);
  t.same(house.store.verdicts, [], "nobody was judged dead");
});

t.test("many join at once: each change of the view is one step, and everybody is in it", async (t) => {
  const house = new House();
  const nodes = Array.from({ length: 16 }, (_, i) => house.node(`n${i}`));
  for (const { store } of nodes) store.latencyMs = 3;
  await house.until(Promise.all(nodes.map(({ membership }) => membership.start())));
  await house.time.pass(1_000);
  t.equal(house.store.present.members.length, 16);
  t.same(
    house.store.views.map(({ version }) => version),
    house.store.views.map((_, i) => i),
  );
  for (const { membership, views } of nodes) {
    t.equal(membership.view.version, 16);
    t.ok(
      views.every(({ version }, i) => i === 0 || version > (views[i - 1] as ClusterView).version),
      "only forward",
    );
  }
});

t.test("killed: gone as soon as it was silent long enough and its connection is closed", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  for (; house.store.rows.get("b")?.hbAt !== house.time.nowMs; ) await house.time.pass(1);
  b.kill();
  await house.time.pass(300);
  t.equal(house.members, "a.1,b.1");
  await house.time.pass(180);
  t.equal(house.members, "a.1");
  t.equal(house.store.verdicts[0]?.witness, "lock");
});

t.test("stands still: gone by its old heartbeat, and back as its next life", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  b.process.stand();
  await house.time.pass(1_500);
  t.equal(house.members, "a.1");
  t.equal(house.store.verdicts[0]?.witness, "stale");
  b.process.goOn();
  await house.time.pass(500);
  t.equal(house.members, "a.1,b.2");
  t.same(b.events, ["life 1", "deposed", "life 2"]);
  t.same(a.events, ["life 1"], "who stood still judged nobody when it went on (M2)");
});

t.test("silence on the bus alone is no death: two that do not hear each other both live (M1)", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  house.net.cut("a", "b");
  house.net.cut("b", "a");
  await house.time.pass(3_000);
  t.equal(house.members, "a.1,b.1");
  t.ok(a.store.count("judge") > 10 && b.store.count("judge") > 10, "they judged each other");
});

t.test("an old heartbeat alone is no death either: who is heard is not judged", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  b.store.trouble = "away";
  house.store.locks.delete("b");
  await house.time.pass(3_000);
  t.equal(house.members, "a.1,b.1");
  t.equal(a.store.count("judge"), 0);
});

t.test("who is deaf judges nobody: its own heartbeats do not come back either (H1)", async (t) => {
  const house = new House();
  const [a] = (await house.started("a", "b")) as [Node, Node];
  // As a frozen NATS: connected, and nothing comes.
  house.net.lossShare = 1;
  const { hears } = a.bus;
  a.bus.hears = () => false;
  house.store.locks.delete("b");
  await house.time.pass(3_000);
  t.equal(a.store.count("judge"), 0);
  a.bus.hears = hears;
  house.net.lossShare = 0;
  await house.time.pass(3_000);
  t.equal(house.members, "a.1,b.1", "nor when it hears again");
});

t.test("while the bus is away nobody is judged, and for a while after (M2)", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  for (const { bus } of [a, b]) bus.connect(false);
  house.store.locks.delete("b");
  await house.time.pass(3_000);
  t.equal(a.store.count("judge"), 0);
  a.bus.connect(true);
  await house.time.pass(300);
  t.equal(a.store.count("judge"), 0, "b may need longer to come back");
  b.bus.connect(true);
  await house.time.pass(3_000);
  t.equal(house.members, "a.1,b.1");
});

t.test("the store was away: nobody is judged by heartbeats that nobody could write", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  for (const { store } of [a, b]) store.trouble = "away";
  await house.time.pass(5_000);
  house.net.cut("b", "a");
  await house.time.pass(1_000);
  a.store.trouble = "none";
  await house.time.pass(300);
  b.store.trouble = "none";
  await house.time.pass(3_000);
  t.equal(house.members, "a.1,b.1");
});

t.test("the store stood still while somebody was being judged: the judgement is void", async (t) => {
  const house = new House();
  const [a] = (await house.started("a", "b")) as [Node, Node];
  house.net.cut("b", "a");
  await house.time.pass(420);
  // The other's next heartbeat is to come after the judgement.
  for (; house.store.rows.get("b")?.hbAt !== house.time.nowMs; ) await house.time.pass(1);
  house.store.stand();
  const before = a.store.count("judge");
  await house.time.pass(120);
  t.ok(a.store.count("judge") > before, "it was being judged");
  await house.time.pass(2_000);
  // Everything that waited is done in the order in which it came: the judgement before the other's heartbeat.
  house.store.goOn();
  await house.time.pass(2_000);
  t.equal(house.members, "a.1,b.1");
  t.same(house.store.verdicts, []);
});

t.test("a judge that hangs is asked once, not ten times a second", async (t) => {
  const house = new House();
  const [a] = (await house.started("a", "b")) as [Node, Node];
  house.net.cut("b", "a");
  await house.time.pass(380);
  house.store.stand();
  const before = a.store.count("judge");
  await house.time.pass(5_000);
  t.ok(a.store.count("judge") - before <= 1, `${a.store.count("judge") - before} judgements`);
  t.ok(a.store.count("beat") < 40, "nor beats");
});

t.test("a newer view is looked up once, however many say so; one that cannot be read is asked for again", async (t) => {
  const house = new House();
  const [a] = (await house.started("a", "b")) as [Node, Node];
  const before = a.store.count("view");
  house.store.views.push({ ...house.store.present, version: 9 });
  const crier = house.net.connect("crier");
  const cry = (): void => {
    const heartbeat = { nodeId: "z", incarnation: 1, view: 9, updates: 0, unready: [] };
    for (let i = 0; i < 100; i += 1) crier.publish(heartbeatSubject("z"), encodeJson(heartbeat));
  };
  a.store.latencyMs = 20;
  a.store.trouble = "away";
  cry();
  await house.time.pass(30);
  t.equal(a.store.count("view") - before, 1);
  t.equal(a.membership.view.version, 2);
  a.store.trouble = "none";
  cry();
  await house.time.pass(100);
  t.equal(a.membership.view.version, 9);
});

t.test("views that come late, twice or as something else are passed over", async (t) => {
  const house = new House();
  const [a] = (await house.started("a", "b")) as [Node, Node];
  const member = (nodeId: string): Member => ({ nodeId, incarnation: 1, state: "up" });
  const crier = house.net.connect("crier");
  const tell = async (value: unknown): Promise<number> => {
    crier.publish(VIEW_SUBJECT, encodeJson(value as object));
    await house.time.pass(0);
    return a.membership.view.version;
  };
  const members = [member("a"), member("b"), member("c")];
  t.equal(await tell({ version: 7, members }), 7);
  t.equal(await tell({ version: 6, members: [] }), 7);
  t.equal(await tell({ version: 7, members: [] }), 7);
  t.equal(await tell({ version: 8, members: [member("a"), member("a")] }), 7, "a node twice");
  t.equal(await tell({ version: 8, members: [{ nodeId: "a.b", incarnation: 1, state: "up" }] }), 7);
  t.equal(await tell({ version: 1e300, members }), 7);
  t.equal(await tell("view"), 7);
  t.same(
    a.views.map(({ version }) => version),
    [1, 2, 7],
  );
});

t.test("heartbeats of an earlier life do not keep the present one alive (H2)", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  b.kill();
  const again = house.node("b");
  await house.until(again.membership.start());
  again.kill();
  const ghost = house.net.connect("ghost");
  for (let ms = 0; ms < 1_000; ms += 50) {
    ghost.publish(heartbeatSubject("b"), encodeJson({ nodeId: "b", incarnation: 1, view: 1, updates: 0, unready: [] }));
    await house.time.pass(50);
  }
  t.equal(house.members, "a.1");
  t.same(a.events, ["life 1"]);
});

t.test("a node that is started again takes the place of its former life, which had not been missed yet", async (t) => {
  const house = new House();
  const [a, b] = (await house.started("a", "b")) as [Node, Node];
  b.kill();
  const again = house.node("b");
  await house.until(again.membership.start());
  await house.time.pass(2_000);
  t.equal(house.members, "a.1,b.2");
  t.equal(a.membership.view.members[1]?.incarnation, 2);
  t.same(house.store.verdicts, [], "nobody judged the newcomer by what the dead one did");
});

t.test("deposed again within a minute: it waits before it comes back, longer each time; later not", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  const depose = async (): Promise<number> => {
    const row = house.store.rows.get("b");
    if (row !== undefined) row.state = "dead";
    const lives = b.events.length;
    const from = house.time.nowMs;
    for (; b.events.length < lives + 2 && house.time.nowMs < from + 60_000; ) await house.time.pass(50);
    return house.time.nowMs - from;
  };
  const back = [await depose(), await depose(), await depose(), await depose()] as [number, number, number, number];
  t.ok(back[0] < 300, `${back}`);
  t.ok(back[1] >= 1_000 && back[1] < 1_400, `${back}`);
  t.ok(back[2] >= 2_000 && back[2] < 2_400, `${back}`);
  t.ok(back[3] >= 4_000 && back[3] < 4_400, `${back}`);
  await house.time.pass(61_000);
  t.ok((await depose()) < 300);
  t.equal(house.members, "a.1,b.6");
});

t.test("a store that is away does not make the way back longer and longer", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  b.process.stand();
  await house.time.pass(1_500);
  // Of its own end it hears by the bus; to join it cannot.
  b.store.trouble = "away";
  b.process.goOn();
  await house.time.pass(40_000);
  b.store.trouble = "none";
  await house.time.pass(1_000);
  t.match(house.members, /a\.1,b\.\d+$/);
  t.equal(b.events.filter((event) => event === "deposed").length, 1);
});

t.test("who does not have its lock any more does not come back: another process may be this node", async (t) => {
  const house = new House();
  let hasLock = true;
  const node = house.node("a", { hasLock: () => hasLock });
  await house.until(node.membership.start());
  hasLock = false;
  const other = house.node("a");
  await house.until(other.membership.start());
  await house.time.pass(10_000);
  t.equal(house.members, "a.2");
  t.same(node.events, ["life 1", "deposed"]);
  t.same(other.events, ["life 2"]);
  hasLock = true;
  await house.until(other.membership.stop());
  await house.time.pass(1_000);
  t.equal(house.members, "a.3");
});

t.test("a join that was overtaken by a later life of the node does not take its place (M5)", async (t) => {
  const house = new House();
  const slow = house.node("a");
  slow.store.latencyMs = 100;
  const starting = slow.membership.start();
  starting.catch(() => undefined);
  // Its number is 1, and the view is not changed yet.
  await house.time.pass(250);
  const quick = house.node("a");
  await house.until(quick.membership.start());
  t.equal(house.members, "a.2");
  await house.until(starting);
  t.ok(
    house.store.views.every(
      ({ members }, i, all) => (members[0]?.incarnation ?? 0) >= (all[i - 1]?.members[0]?.incarnation ?? 0),
    ),
  );
  t.equal(slow.events[1], "deposed");
});

t.test("deposed while it joins: it notices, and comes back as the next", async (t) => {
  const house = new House();
  await house.started("a");
  const b = house.node("b");
  b.store.latencyMs = 200;
  const starting = b.membership.start();
  starting.catch(() => undefined);
  for (; !house.members.includes("b.1"); ) await house.time.pass(10);
  const row = house.store.rows.get("b");
  if (row !== undefined) row.state = "dead";
  const { version, members } = house.store.present;
  const without = { version: version + 1, members: members.filter(({ nodeId }) => nodeId !== "b") };
  house.store.views.push(without);
  house.net.connect("crier").publish(VIEW_SUBJECT, encodeJson(without));
  await house.until(starting);
  await house.time.pass(3_000);
  t.match(house.members, /^a\.1,b\.[2-9]$/);
  t.same(b.events.slice(0, 3), ["life 1", "deposed", "life 2"]);
});

t.test("leaves while it is set dead: what is over stays over (M5)", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  b.store.latencyMs = 20;
  const row = house.store.rows.get("b");
  if (row !== undefined) row.state = "dead";
  const { version, members } = house.store.present;
  house.store.views.push({ version: version + 1, members: members.filter(({ nodeId }) => nodeId !== "b") });
  await house.until(b.membership.leave());
  t.equal(house.members, "a.1");
  await house.time.pass(2_000);
  t.same(b.events, ["life 1", "deposed"], "who goes does not come back");
  await house.until(b.membership.stop());
  t.equal(house.members, "a.1");
  t.equal(b.process.armed, 0);
});

t.test("stopped or leaving while it waits to come back: at once, and nothing of it is left", async (t) => {
  for (const how of ["stop", "leave"] as const) {
    const house = new House();
    const [, b] = (await house.started("a", "b")) as [Node, Node];
    for (let i = 0; i < 3; i += 1) {
      const row = house.store.rows.get("b");
      if (row !== undefined) row.state = "dead";
      await house.time.pass(i === 2 ? 300 : 2_000);
    }
    t.equal(b.events.at(-1), "deposed", "it waits");
    const from = house.time.nowMs;
    await house.until(b.membership[how]());
    t.ok(house.time.nowMs - from <= 20, `${how}: ${house.time.nowMs - from} ms`);
    await house.until(b.membership.stop());
    t.same([b.process.armed, b.bus.listenings], [0, 0]);
    const lives = b.events.length;
    await house.time.pass(60_000);
    t.equal(b.events.length, lives);
    t.equal(house.members, "a.1");
  }
});

t.test("stopped in the middle of coming back: it takes no number any more", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  const row = house.store.rows.get("b");
  b.store.latencyMs = 50;
  if (row !== undefined) row.state = "dead";
  for (; b.events.at(-1) !== "deposed"; ) await house.time.pass(10);
  await house.time.pass(20);
  t.equal(b.store.count("join"), 2, "it is being given one");
  await house.until(b.membership.stop());
  t.same(b.events, ["life 1", "deposed"]);
  await house.time.pass(2_000);
  t.equal(house.members, "a.1");
  t.same([b.process.armed, b.bus.listenings], [0, 0]);
});

t.test("a life that is over is nobody's: no number until the next one", async (t) => {
  const house = new House();
  const [, b] = (await house.started("a", "b")) as [Node, Node];
  const row = house.store.rows.get("b");
  b.store.latencyMs = 100;
  if (row !== undefined) row.state = "dead";
  for (; b.events.at(-1) !== "deposed"; ) await house.time.pass(10);
  t.equal(b.membership.incarnation, 0);
  t.ok(
    b.membership.view.members.some(({ nodeId }) => nodeId === "b"),
    "the view still has it",
  );
  await house.time.pass(2_000);
  t.equal(b.membership.incarnation, 2);
});

t.test(
  "a join that fails leaves nothing running; a change whose outcome is unknown is made good by the next",
  async (t) => {
    const house = new House();
    const a = house.node("a");
    a.store.trouble = "mute";
    await t.rejects(house.until(a.membership.start()), /away/);
    t.equal(a.membership.incarnation, 0);
    await house.until(a.membership.stop());
    t.same([a.process.armed, a.bus.listenings], [0, 0]);
    const again = house.node("a");
    await house.until(again.membership.start());
    t.equal(house.members, "a.2");
  },
);

t.test("nodes come and go under ever new names: nothing is kept of them (H3)", async (t) => {
  const house = new House();
  const [a] = (await house.started("a")) as [Node];
  const members = (i: number): Member[] => [
    { nodeId: "a", incarnation: 1, state: "up" },
    { nodeId: `pod-${i}`, incarnation: 1, state: "up" },
  ];
  const crier = house.net.connect("crier");
  for (let i = 2; i < 200; i += 1) crier.publish(VIEW_SUBJECT, encodeJson({ version: i, members: members(i) }));
  await house.time.pass(0);
  t.equal(a.membership.view.version, 199);
  const { Hearing } = await import("./hearing.ts");
  const hearing = new Hearing("a");
  for (let i = 2; i < 200; i += 1) {
    hearing.adopt({ version: i, members: members(i) }, i);
    hearing.hear(`pod-${i}`, 1, i);
    hearing.hear(`stranger-${i}`, 1, i);
  }
  t.equal(hearing.size, 2);
});
