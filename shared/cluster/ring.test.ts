// Goal: shows are spread evenly, and only as many move as must. Method: 100,000 show ids over many sets of node names,
// since one set may just be lucky; and the package itself, so that one knows why the ring does not ask it.

import HashRing from "hash-ring";
import t from "tap";
import type { ShowId } from "../kernel/ids.ts";
import { SeededRandom } from "../kernel/seeded-random.ts";
import { NODES_MAX, Ring } from "./ring.ts";

const SHOWS = Array.from({ length: 100_000 }, (_, i) => `show-${i}` as ShowId);

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `node-${from + i}`);
const hostNames = (count: number, seed: number): string[] => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => `allocator-${random.bits().toString(36)}`);
};

/** How many shows the busiest node has, over the mean. */
function spread(ring: Ring): number {
  const counts = new Map<string | undefined, number>();
  for (const show of SHOWS) counts.set(ring.owner(show), (counts.get(ring.owner(show)) ?? 0) + 1);
  return Math.max(...counts.values()) / (SHOWS.length / ring.nodeIds.length);
}

for (const { nodes, most } of [
  { nodes: 3, most: 1.15 },
  { nodes: 8, most: 1.15 },
  { nodes: 32, most: 1.3 },
]) {
  t.test(`${nodes} nodes: the busiest has at most ${most} of the mean, whatever they are called`, async (t) => {
    const names = Array.from({ length: 8 }, (_, i) => [numbered(nodes, i * nodes), hostNames(nodes, i)]).flat();
    for (const nodeIds of names) {
      const ratio = spread(Ring.of(nodeIds));
      t.ok(ratio <= most, `${nodeIds[0]} …: ${ratio.toFixed(3)}`);
    }
  });
}

t.test("on a join only the newcomer gains, about its share", async (t) => {
  const before = Ring.of(numbered(8));
  const after = Ring.of([...numbered(8), "newcomer"], before);
  const moved = SHOWS.filter((show) => before.owner(show) !== after.owner(show));
  t.same([...new Set(moved.map((show) => after.owner(show)))], ["newcomer"]);
  t.ok(moved.length > 0.85 * (SHOWS.length / 9) && moved.length < 1.15 * (SHOWS.length / 9), `${moved.length} moved`);
});

t.test("on a leave only the leaver loses, to the successor that was known before", async (t) => {
  const before = Ring.of(numbered(8));
  const after = Ring.of(numbered(8).slice(1), before);
  const wrong = SHOWS.filter((show) => {
    const owner = before.owner(show);
    return after.owner(show) !== (owner === "node-0" ? before.successors(show, 1)[0] : owner);
  });
  t.same(wrong, []);
  t.ok(new Set(SHOWS.filter((show) => before.owner(show) === "node-0").map((show) => after.owner(show))).size > 3);
});

t.test("the same nodes are the same ring: in any order, twice, with or without one before", async (t) => {
  const nodeIds = numbered(5);
  const ring = Ring.of(nodeIds);
  const others = [
    Ring.of([...nodeIds].reverse()),
    Ring.of([...nodeIds, "node-3", "node-3"]),
    Ring.of(nodeIds, Ring.of(["node-2", "gone"])),
  ];
  for (const other of others) {
    t.same(other.nodeIds, nodeIds);
    t.same(
      SHOWS.filter((show) => other.owner(show) !== ring.owner(show)),
      [],
    );
  }
});

t.test("nodes of two versions agree: owners are fixed for ever", async (t) => {
  const ring = Ring.of(["a", "b", "c"]);
  t.equal(
    SHOWS.slice(0, 40)
      .map((show) => ring.owner(show))
      .join(""),
    "acabcacbabaaacaacaccacbabacacaabccccabcc",
  );
});

t.test("successors are all the other nodes, each once, the first ones first", async (t) => {
  const ring = Ring.of(numbered(6));
  for (const show of SHOWS.slice(0, 200)) {
    const all = ring.successors(show, 99);
    t.same([ring.owner(show), ...all].sort(), ring.nodeIds);
    t.same(ring.successors(show, 2), all.slice(0, 2));
  }
  t.same(ring.successors(SHOWS[0] as ShowId, 0), []);
});

t.test("no node, one node, more than there may be", async (t) => {
  const show = "show-1" as ShowId;
  t.equal(Ring.of([]).owner(show), undefined);
  t.same(Ring.of([]).successors(show, 3), []);
  t.equal(Ring.of(["only"]).owner(show), "only");
  t.same(Ring.of(["only"]).successors(show, 3), []);
  t.throws(() => Ring.of(numbered(NODES_MAX + 1)), /a ring of 1025 nodes/);
});

t.test("why the package is not asked: hash-ring 1.0.1 as shipped", async (t) => {
  const shipped = new HashRing(numbered(3));
  t.equal(new Set(SHOWS.slice(0, 1_000).map((show) => shipped.getNode(show))).size, 1, "every key lands on one node");
  const points = [...shipped.sortedKeys];
  t.not(points.join(), points.sort((a, b) => a - b).join(), "points are not in the order of their numbers");
  shipped.removeNode("unknown");
  t.same(shipped.nodes, ["node-0", "node-1"], "to remove an unknown node drops another");
  shipped.addNode("node-1");
  t.same(shipped.nodes, ["node-0", "node-1", "node-1"], "to add a node twice doubles it");
});
