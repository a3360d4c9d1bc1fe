import t from "tap";
import type { ClusterView } from "../../shared/cluster/view.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { RingOwnership } from "./ownership.ts";

const SHOW = "show-1" as ShowId;
const view = (version: number, ...members: (readonly [string, number])[]): ClusterView => ({
  version,
  members: members.map(([nodeId, incarnation]) => ({ nodeId, incarnation, state: "up" })),
});

t.test("a show is a node's only in the life that the view knows (N1)", async (t) => {
  const ownership = new RingOwnership("a", () => 0);
  t.notOk(ownership.isMine(SHOW), "before any view");
  t.same(ownership.moved(SHOW), { kind: "moved", owner: undefined, view: 0 });
  ownership.adopt(view(1, ["a", 1]), 1);
  t.ok(ownership.isMine(SHOW));
  ownership.depose();
  t.notOk(ownership.isMine(SHOW));
  // Its next life has not begun, and the view still has the one that is over.
  ownership.adopt(view(2, ["a", 1]), 0);
  t.notOk(ownership.isMine(SHOW));
  ownership.adopt(view(3, ["a", 2]), 1);
  t.notOk(ownership.isMine(SHOW));
  ownership.adopt(view(4, ["a", 2]), 2);
  t.ok(ownership.isMine(SHOW));
  t.equal(ownership.viewVersion(), 4);
});

t.test("a former owner is somebody else who lives", async (t) => {
  let now = 0;
  const newcomer = new RingOwnership("b", () => now);
  newcomer.adopt(view(1, ["a", 1]), 1);
  now += 60_000;
  newcomer.adopt(view(2, ["a", 1], ["b", 1]), 1);
  const shows = Array.from({ length: 200 }, (_, i) => `show-${i}` as ShowId);
  const mine = shows.filter((id) => newcomer.isMine(id));
  t.ok(mine.length > 50 && mine.length < 150);
  t.ok(mine.every((id) => newcomer.hasFormerOwner(id)));
  t.ok(shows.every((id) => newcomer.isMine(id) || !newcomer.hasFormerOwner(id)));
  newcomer.adopt(view(3, ["b", 1]), 1);
  t.notOk(
    shows.some((id) => newcomer.hasFormerOwner(id)),
    "the other is dead",
  );
});
