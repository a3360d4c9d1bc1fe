// Goal: whatever is lost on the way is noticed, and nothing else is taken for a loss. Method: numbers by hand.

import t from "tap";
import type { ClusterView, Member } from "../shared/cluster/view.ts";
import type { ShowId } from "../shared/kernel/ids.ts";
import { encodeUpdateBatch } from "../shared/wire/messages.ts";
import { UpdateFeed } from "./update-feed.ts";

function feedOf() {
  const time = { now: 1_000 };
  const feed = new UpdateFeed(() => time.now);
  const heard: number[] = [];
  let losses = 0;
  feed.onUpdate(({ version }) => heard.push(version));
  feed.onLost(() => {
    losses += 1;
  });
  const update = (number: number, nodeId = "a", incarnation = 1): void => {
    const what = { epoch: 1, previous: number - 1, version: number, changes: [], queued: 0, touched: [] };
    feed.hear(encodeUpdateBatch({ nodeId, incarnation, number, updates: [{ showId: "show-1" as ShowId, ...what }] }));
  };
  const heartbeat = (updates: unknown, more: object = {}): number | undefined => {
    const whole = { nodeId: "a", incarnation: 1, view: 3, updates, unready: [], ...more };
    return feed.hearHeartbeat(Buffer.from(JSON.stringify(whole)));
  };
  /** Losses that were told since the last asking; a while passes, so that each counts. */
  const lost = (): number => {
    time.now += 100;
    feed.check();
    const count = losses;
    losses = 0;
    return count;
  };
  return { time, feed, heard, update, heartbeat, lost };
}

t.test("in order from the first one on, nothing is lost", async (t) => {
  const { update, heartbeat, lost, heard } = feedOf();
  heartbeat(0);
  for (const number of [1, 2, 3]) update(number);
  heartbeat(3);
  update(4);
  t.equal(lost(), 0);
  t.same(heard, [1, 2, 3, 4]);
});

t.test("a number that is skipped is a loss, told after what did come", async (t) => {
  const { feed, update, lost, heard } = feedOf();
  update(1);
  const order: unknown[] = [];
  feed.onUpdate(({ version }) => order.push(version));
  feed.onLost(() => order.push("lost"));
  update(3);
  t.same(order, [3, "lost"]);
  t.equal(lost(), 1);
  update(4);
  t.equal(lost(), 0);
  t.same(heard, [1, 3, 4]);
});

t.test("a heartbeat that is ahead is a loss, once; one that is behind is not", async (t) => {
  const { update, heartbeat, lost } = feedOf();
  update(1);
  heartbeat(2);
  t.equal(lost(), 1);
  heartbeat(2);
  update(3);
  heartbeat(2);
  t.equal(lost(), 0);
});

t.test("heard of for the first time: everything before may have been missed (U2)", async (t) => {
  const late = feedOf();
  late.update(7);
  t.equal(late.lost(), 1);
  const later = feedOf();
  later.heartbeat(7);
  t.equal(later.lost(), 1);
  later.update(8);
  t.equal(later.lost(), 0);
});

t.test("another life of the node counts anew; what the former one still says is no gap", async (t) => {
  const { update, heartbeat, lost } = feedOf();
  for (let number = 1; number <= 5; number += 1) update(number);
  heartbeat(0, { incarnation: 2 });
  update(1, "a", 2);
  update(6);
  update(2, "a", 2);
  t.equal(lost(), 0);
  update(4, "a", 2);
  t.equal(lost(), 1);
});

t.test("nodes are counted each by itself", async (t) => {
  const { update, lost } = feedOf();
  for (const number of [1, 2]) for (const nodeId of ["a", "b", "c"]) update(number, nodeId);
  t.equal(lost(), 0);
  update(4, "b");
  t.equal(lost(), 1);
});

t.test("a message that cannot be read is a lost one", async (t) => {
  const { feed, lost } = feedOf();
  feed.hear(Buffer.from("not msgpack"));
  t.equal(lost(), 1);
});

t.test("a heartbeat that is none changes nothing", async (t) => {
  const { feed, heartbeat, lost, update } = feedOf();
  update(1);
  for (const updates of [-1, 1.5, "9", null, 1e300]) t.equal(heartbeat(updates), undefined);
  t.equal(heartbeat(9, { unready: [{}] }), undefined);
  t.equal(heartbeat(9, { incarnation: "1" }), undefined);
  feed.hearHeartbeat(Buffer.from("{"));
  feed.hearHeartbeat(Buffer.from("null"));
  t.equal(lost(), 0);
  t.equal(heartbeat(1), 3, "one that is says which view it knows");
});

t.test("swarms of losses are told ten times a second, the last one too (U3)", async (t) => {
  const { time, feed } = feedOf();
  let told = 0;
  feed.onLost(() => {
    told += 1;
  });
  for (let i = 0; i < 1_000; i += 1) {
    feed.hear(Buffer.from("?"));
    time.now += 1;
    if (i % 20 === 0) feed.check();
  }
  t.ok(told >= 9 && told <= 11, `${told}`);
  const before = told;
  feed.lose();
  feed.lose();
  time.now += 100;
  feed.check();
  t.ok(told > before, "the last one is told");
  time.now += 1_000;
  feed.check();
  t.ok(told <= before + 2);
});

const up = (nodeId: string, incarnation = 1): Member => ({ nodeId, incarnation, state: "up" });
const leaving = (nodeId: string): Member => ({ ...up(nodeId), state: "leaving" });
const view = (version: number, ...members: Member[]): ClusterView => ({ version, members });

t.test("what is away: for every node that is up and heard (U6)", async (t) => {
  const { time, feed, heartbeat } = feedOf();
  const unready = (): readonly string[] => {
    feed.check();
    return feed.unready();
  };
  feed.follow(view(1, up("a"), up("b"), leaving("c")));
  heartbeat(0, { unready: ["postgres"] });
  t.same(unready(), ["postgres"]);
  heartbeat(0, { nodeId: "b", unready: ["other"] });
  heartbeat(0, { nodeId: "c" });
  t.same(unready(), [], "each misses something else: it is their own matter");
  heartbeat(0, { nodeId: "b", unready: ["other", "postgres"] });
  t.same(unready(), ["postgres"], "c, which is leaving, has no say");
  time.now += 1_000;
  heartbeat(0);
  time.now += 501;
  t.same(unready(), [], "b says nothing any more, a is well");
});

t.test("no allocator: none is up, or none of them is heard", async (t) => {
  const { time, feed, heartbeat } = feedOf();
  t.same(feed.unready(), ["allocators"], "there is no view");
  feed.follow(view(1, up("a")));
  t.same(feed.unready(), [], "it has a moment to be heard");
  time.now += 1_500;
  feed.check();
  t.same(feed.unready(), []);
  time.now += 1;
  feed.check();
  t.same(feed.unready(), ["allocators"]);
  heartbeat(0, { incarnation: 2 });
  feed.check();
  t.same(feed.unready(), ["allocators"], "another life than the view's");
  heartbeat(0);
  feed.check();
  t.same(feed.unready(), []);
  feed.follow(view(2, leaving("a")));
  t.same(feed.unready(), ["allocators"]);
});

t.test("what a life said last before it left the view may be lost: told a second later, once (U5)", async (t) => {
  const { time, feed, lost } = feedOf();
  feed.follow(view(1, up("a"), up("b")));
  feed.follow(view(2, up("a"), up("b"), up("c")));
  feed.follow(view(3, up("a"), leaving("b"), up("c")));
  time.now += 5_000;
  t.equal(lost(), 0, "nobody has left");
  feed.follow(view(4, up("a", 2), leaving("b"), up("c")));
  time.now += 600;
  feed.follow(view(5, up("a", 2), up("c")));
  time.now += 299;
  t.equal(lost(), 0, "999 ms");
  time.now -= 99;
  t.equal(lost(), 1);
  time.now += 5_000;
  t.equal(lost(), 0);
});

t.test("who stood still lost nothing by it; who is long gone is forgotten", async (t) => {
  const { time, feed, update, heartbeat, lost } = feedOf();
  update(1);
  time.now += 5_000;
  t.equal(lost(), 0);
  heartbeat(1);
  update(2);
  t.equal(lost(), 0, "its number is known");
  for (let i = 0; i < 500; i += 1) {
    heartbeat(0, { nodeId: `pod-${i}` });
    time.now += 1_000;
    feed.check();
  }
  t.ok(feed.size <= 62, `${feed.size} lives`);
});
