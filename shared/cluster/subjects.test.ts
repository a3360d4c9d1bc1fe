import t from "tap";
import * as subjects from "./subjects.ts";

t.test("every name is one subject of its own, without wildcards", async (t) => {
  const names = [
    subjects.commandSubject("node-1", 7),
    subjects.replySubject("gateway-1", "12"),
    subjects.updateSubject("node-1"),
    subjects.heartbeatSubject("node-1"),
    subjects.VIEW_SUBJECT,
    subjects.claimSubject("node-1"),
    subjects.CATALOGUE_SUBJECT,
  ];
  t.same(names, [
    "usher.command.node-1.7",
    "usher.reply.gateway-1.12",
    "usher.update.node-1",
    "usher.heartbeat.node-1",
    "usher.view",
    "usher.claim.node-1",
    "usher.catalogue",
  ]);
  t.equal(new Set(names.map((name) => name.split(".").slice(0, 2).join("."))).size, names.length);
});

t.test("each wildcard covers what it is for", async (t) => {
  const covers = (wildcard: string, name: string): boolean =>
    new RegExp(`^${wildcard.replaceAll(".", "\\.").replace("*", "[^.]+")}$`).test(name);
  t.ok(covers(subjects.ANY_UPDATES, subjects.updateSubject("node-1")));
  t.ok(covers(subjects.HEARTBEATS, subjects.heartbeatSubject("n")));
  t.ok(covers(subjects.replySubject("g", "*"), subjects.replySubject("g", "7")));
  t.ok(covers(subjects.CLAIMS, subjects.claimSubject("n")));
});

t.test("what is no node is not put into a name", async (t) => {
  for (const nodeId of ["", "a.b", "*", ">", "a b", "x".repeat(41), "é"]) {
    t.throws(() => subjects.commandSubject(nodeId, 1), /node id/);
    t.throws(() => subjects.heartbeatSubject(nodeId), /node id/);
    t.throws(() => subjects.updateSubject(nodeId), /node id/);
    if (nodeId.length < 40) t.throws(() => subjects.replySubject(nodeId, "1"), /gateway id/);
  }
  for (const what of ["", ">", "1.2", "a b", "-1"]) t.throws(() => subjects.replySubject("g", what), /a mark/);
  for (const incarnation of [-1, 1.5, Number.NaN, 2 ** 53]) {
    t.throws(() => subjects.commandSubject("n", incarnation), /incarnation/);
  }
});
