import t from "tap";
import type { ShowId } from "../kernel/ids.ts";
import * as subjects from "./subjects.ts";

t.test("every name is one subject of its own, without wildcards", async (t) => {
  const show = "s-1_A" as ShowId;
  const names = [
    subjects.commandSubject("node-1", 7),
    subjects.updateSubject(show),
    subjects.heartbeatSubject("node-1"),
    subjects.VIEW_SUBJECT,
    subjects.ownerSubject(show),
  ];
  t.same(names, [
    "usher.command.node-1.7",
    "usher.update.s-1_A",
    "usher.heartbeat.node-1",
    "usher.view",
    "usher.owner.s-1_A",
  ]);
  t.equal(new Set(names.map((name) => name.split(".").slice(0, 2).join("."))).size, names.length);
});

t.test("each wildcard covers what it is for", async (t) => {
  const show = "s-1" as ShowId;
  const covers = (wildcard: string, name: string): boolean =>
    new RegExp(`^${wildcard.replaceAll(".", "\\.").replace("*", "[^.]+")}$`).test(name);
  t.ok(covers(subjects.UPDATES, subjects.updateSubject(show)));
  t.ok(covers(subjects.HEARTBEATS, subjects.heartbeatSubject("n")));
  t.ok(covers(subjects.OWNERS, subjects.ownerSubject(show)));
});

t.test("what is no node is not put into a name", async (t) => {
  for (const nodeId of ["", "a.b", "*", ">", "a b", "x".repeat(41), "é"]) {
    t.throws(() => subjects.commandSubject(nodeId, 1), /node id/);
    t.throws(() => subjects.heartbeatSubject(nodeId), /node id/);
  }
  for (const incarnation of [-1, 1.5, Number.NaN, 2 ** 53]) {
    t.throws(() => subjects.commandSubject("n", incarnation), /incarnation/);
  }
});
