// Goal: a show is asked for where it is, or one step from there, whatever views have come. Method: views by hand, with a
// show for each question found by asking the rings themselves.

import t from "tap";
import type { ShowId } from "../kernel/ids.ts";
import { Ring } from "./ring.ts";
import { HAND_OVER_MS, Routes } from "./routes.ts";
import type { ClusterView, Member } from "./view.ts";

/** `b`, `b*` leaving, `b2` its second life. */
const view = (version: number, ...names: string[]): ClusterView => ({
  version,
  members: names.map((name): Member => {
    const [, nodeId = "", life = "", leaving = ""] = /^([a-z])(\d?)(\*?)$/.exec(name) ?? [];
    return { nodeId, incarnation: Number(life || 1), state: leaving === "" ? "up" : "leaving" };
  }),
});

/** A show whose owners by these rings are these. */
function showOf(wanted: Readonly<Record<string, string>>): ShowId {
  const rings = Object.entries(wanted).map(([nodes, owner]) => ({ ring: Ring.of([...nodes]), owner }));
  for (let i = 0; i < 100_000; i += 1) {
    const showId = `show-${i}` as ShowId;
    if (rings.every(({ ring, owner }) => ring.owner(showId) === owner)) return showId;
  }
  throw new Error("there is no such show");
}

function routes(...views: ClusterView[]) {
  const time = { now: 1_000 };
  const made = new Routes(() => time.now);
  for (const each of views) made.adopt(each);
  return { time, routes: made };
}

t.test("views only go forward", async (t) => {
  const { routes: all } = routes(view(3, "a"));
  t.notOk(all.adopt(view(3, "b")));
  t.notOk(all.adopt(view(2, "b")));
  t.same(all.view, view(3, "a"));
  t.ok(all.adopt(view(4, "b")));
});

t.test("nobody is up: there is nobody to ask", async (t) => {
  const showId = "show-1" as ShowId;
  t.equal(routes().routes.routeOf(showId), undefined);
  t.equal(routes(view(1, "a*")).routes.ownerOf(showId), undefined);
});

t.test("while a view is young the former owner is asked, then the ring's", async (t) => {
  const showId = showOf({ ab: "a", abc: "c" });
  const { time, routes: all } = routes(view(1, "a", "b"));
  time.now += 60_000;
  all.adopt(view(2, "a", "b", "c"));
  t.equal(all.routeOf(showId)?.nodeId, "a");
  t.equal(all.ownerOf(showId)?.nodeId, "c");
  time.now += HAND_OVER_MS;
  t.equal(all.routeOf(showId)?.nodeId, "a");
  time.now += 1;
  t.equal(all.routeOf(showId)?.nodeId, "c");
  t.equal(all.formerOwnerOf(showOf({ ab: "b", abc: "b" })), undefined, "who had it has it");
});

t.test("of a former owner that is gone, or leads another life, nothing is expected (R2)", async (t) => {
  const showId = showOf({ ab: "a", b: "b", abc: "c", bc: "c" });
  t.equal(routes(view(1, "a", "b"), view(2, "b")).routes.formerOwnerOf(showId), undefined);
  t.equal(routes(view(1, "a", "b"), view(2, "a2", "b", "c")).routes.formerOwnerOf(showId), undefined);
  t.equal(
    routes(view(1, "a", "b"), view(2, "a2", "b"), view(3, "a2", "b", "c")).routes.formerOwnerOf(showId)?.nodeId,
    "a",
  );
  t.equal(routes(view(1, "a", "b"), view(2, "a*", "b")).routes.routeOf(showId)?.nodeId, "a", "who leaves still serves");
});

t.test("two quick changes: who had the show before both may still have it", async (t) => {
  const showId = showOf({ a: "a", ab: "b", abc: "b" });
  const { time, routes: all } = routes(view(1, "a"));
  time.now += 60_000;
  all.adopt(view(2, "a", "b"));
  time.now += 500;
  all.adopt(view(3, "a", "b", "c"));
  t.equal(all.formerOwnerOf(showId)?.nodeId, "a");
  time.now += HAND_OVER_MS - 499;
  t.equal(all.formerOwnerOf(showId), undefined, "each for as long as it is young");
  const twice = showOf({ a: "a", ab: "b", abc: "c" });
  t.equal(routes(view(1, "a"), view(2, "a", "b"), view(3, "a", "b", "c")).routes.routeOf(twice)?.nodeId, "b");
  const gone = routes(view(1, "a"), view(2, "a", "b"), view(3, "a", "c")).routes;
  t.equal(gone.formerOwnerOf(showOf({ a: "a", ab: "b", ac: "c" }))?.nodeId, "a", "the one in between is dead");
});

t.test("a view that changes no ring takes nobody's time away", async (t) => {
  const showId = showOf({ ab: "a", abc: "c" });
  const { time, routes: all } = routes(view(1, "a", "b"), view(2, "a", "b", "c"));
  time.now += HAND_OVER_MS - 1;
  all.adopt(view(3, "a", "b", "c2"));
  t.equal(all.routeOf(showId)?.nodeId, "a");
  time.now += 2;
  t.equal(all.routeOf(showId)?.nodeId, "c");
});

t.test("what was learned holds until the next view, and only of nodes that there are (R3)", async (t) => {
  const showId = showOf({ abc: "c" });
  const { routes: all } = routes(view(1, "a", "b", "c"));
  t.ok(all.learn(showId, "b"));
  t.equal(all.routeOf(showId)?.nodeId, "b");
  t.notOk(all.learn(showId, "z"));
  t.equal(all.routeOf(showId)?.nodeId, "b");
  all.adopt(view(2, "a", "b", "c2"));
  t.equal(all.routeOf(showId)?.nodeId, "c");
  all.learn(showId, "a");
  all.forget(showId);
  t.equal(all.routeOf(showId)?.nodeId, "c");
});

t.test("a former owner that does not listen is not asked again: the ring's owner takes the show", async (t) => {
  const showId = showOf({ ab: "a", abc: "c" });
  const { routes: all } = routes(view(1, "a", "b"), view(2, "a", "b", "c"));
  const former = all.routeOf(showId) as Member;
  t.equal(former.nodeId, "a");
  all.unheard(showId, former);
  t.equal(all.routeOf(showId)?.nodeId, "c");
  all.unheard(showId, all.routeOf(showId) as Member);
  t.equal(all.routeOf(showId)?.nodeId, "a", "nor does that one: then the other again");
});

t.test("what is learned is bounded: the oldest goes, what was learned again is not the oldest", async (t) => {
  const { routes: all } = routes(view(1, "a", "b"));
  const shows = Array.from({ length: 50_001 }, (_, i) => `show-${i}` as ShowId);
  const other = (showId: ShowId): string => (all.ownerOf(showId)?.nodeId === "a" ? "b" : "a");
  const others = new Map(shows.map((showId) => [showId, other(showId)]));
  for (const showId of shows.slice(0, 50_000)) all.learn(showId, others.get(showId) as string);
  const [first, second, last] = [shows[0], shows[1], shows[50_000]] as [ShowId, ShowId, ShowId];
  all.learn(first, others.get(first) as string);
  all.learn(last, others.get(last) as string);
  t.equal(all.routeOf(first)?.nodeId, others.get(first));
  t.equal(all.routeOf(last)?.nodeId, others.get(last));
  t.not(all.routeOf(second)?.nodeId, others.get(second));
});
