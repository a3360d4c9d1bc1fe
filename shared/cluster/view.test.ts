import t from "tap";
import { NODES_MAX } from "./ring.ts";
import { hasMember, MEMBERS_MAX, type Member, memberOf, upNodes, viewFrom, withMember, withoutMember } from "./view.ts";

const member = (nodeId: string, incarnation = 1, state: Member["state"] = "up"): Member => ({
  nodeId,
  incarnation,
  state,
});

t.test("members are in the order of their ids, each once", async (t) => {
  const members = ["b", "c", "a"].reduce<Member[]>((all, id) => withMember(all, member(id)), []);
  t.same(
    members.map(({ nodeId }) => nodeId),
    ["a", "b", "c"],
  );
  const next = withMember(members, member("b", 2, "leaving"));
  t.same(memberOf({ version: 1, members: next }, "b"), member("b", 2, "leaving"));
  t.equal(next.length, 3);
  t.same(upNodes({ version: 1, members: next }), ["a", "c"]);
});

t.test("a life that is over neither replaces a later one nor takes it along", async (t) => {
  const members = [member("a"), member("b", 3)];
  t.same(withMember(members, member("b", 2)), members);
  t.same(withoutMember(members, member("b", 2)), members);
  t.same(withoutMember(members, member("b", 3)), [member("a")]);
  t.ok(hasMember(members, member("b", 3)));
  t.notOk(hasMember(members, member("b", 2)));
});

t.test("what is read is a view or nothing", async (t) => {
  const members = [member("b"), member("a")];
  t.same(viewFrom({ version: 4, members }), { version: 4, members: [member("a"), member("b")] });
  // Postgres keeps the properties of jsonb in an order of its own, and newer nodes may write more of them.
  const stored = [{ state: "up", note: "x", nodeId: "a", incarnation: 1 }];
  t.equal(JSON.stringify(viewFrom({ version: 1, members: stored })?.members), JSON.stringify([member("a")]));
  const wrong: unknown[] = [
    undefined,
    null,
    "view",
    { version: 1 },
    { version: -1, members },
    { version: 1.5, members },
    { version: "1", members },
    { version: 1, members: {} },
    { version: 1, members: [null] },
    { version: 1, members: [member("a"), member("a", 2)] },
    { version: 1, members: [member("a.b")] },
    { version: 1, members: [member("")] },
    { version: 1, members: [member("a", -1)] },
    { version: 1, members: [{ ...member("a"), state: "dead" }] },
    { version: 1, members: Array.from({ length: MEMBERS_MAX + 1 }, (_, i) => member(`n${i}`)) },
  ];
  for (const value of wrong) t.equal(viewFrom(value), undefined, JSON.stringify(value)?.slice(0, 60));
  t.equal(MEMBERS_MAX, NODES_MAX, "every view has a ring");
});
