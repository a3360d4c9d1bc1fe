// Goal: the house has one direction. Method: every import of every file is resolved to its room and looked up in the
// table below; a file in no room fails too. The checker is itself shown files that break each rule.

import { posix } from "node:path";
import t from "tap";
import ts from "typescript";
import { isTest, type SourceFile, sourceFiles } from "./source-files.ts";

/** Pure rooms import nothing from outside the project, not even Node. */
const PURE = ["shared/kernel", "shared/protocol", "waitlist/core", "allocator/core"];
const ANY = [""];
const JOURNAL = "allocator/journal/journal.ts";
/** Batching and lanes over any journal: they know the interface, no adapter. */
const LANES = ["allocator/journal/batcher.ts", "allocator/journal/group-commit.ts"];

/** Each room (the longest prefix counts) and what it may import besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "shared/kernel": [],
  "shared/protocol": ["shared/kernel"],
  "shared/platform": ["shared/kernel", "shared/cluster/bus.ts"],
  "shared/cluster": ["shared/kernel"],
  "shared/wire": ["shared/kernel", "shared/protocol"],
  "shared/tickets": ["shared/kernel"],
  "waitlist/core": ["shared/kernel", "shared/protocol"],
  "waitlist/poll": ["shared", "waitlist/core"],
  "allocator/core": ["shared/kernel", "shared/protocol", "waitlist/core"],
  [JOURNAL]: ["shared/kernel", "shared/protocol", "waitlist/core", "allocator/core"],
  ...Object.fromEntries(LANES.map((lane) => [lane, ["shared", "allocator/core", JOURNAL, ...LANES]])),
  "allocator/journal": ["shared", "waitlist/core", "allocator/core"],
  "allocator/actor": ["shared", "waitlist/core", "allocator/core", JOURNAL, ...LANES],
  "allocator/news": ["shared", "waitlist/core", "allocator/core", JOURNAL, ...LANES],
  "allocator/cluster": ["shared", "allocator/actor"],
  "allocator/payments": ["shared", "allocator/core", JOURNAL, "allocator/actor"],
  "allocator/transport": ["shared", "allocator/core", JOURNAL, "allocator/actor", "allocator/payments"],
  // Its own files: main and what main alone uses.
  allocator: ["shared"],
  gateway: ["shared", "waitlist/poll"],
  notifier: ["shared"],
  demo: ["shared", "gateway/catalogue"],
  cli: ANY,
  bench: ANY,
  scripts: ANY,
  test: ANY,
};

const within = (path: string, room: string): boolean => room === "" || path === room || path.startsWith(`${room}/`);

function roomOf(path: string): string | undefined {
  return Object.keys(ALLOWED)
    .filter((room) => within(path, room))
    .sort((a, b) => b.length - a.length)[0];
}

function violations({ path, text }: SourceFile): string[] {
  if (isTest(path)) return [];
  const room = roomOf(path);
  if (room === undefined) return [`${path} is in no room`];
  const allowed = [room, ...(ALLOWED[room] ?? [])];
  return ts.preProcessFile(text, true, true).importedFiles.flatMap(({ fileName }) => {
    if (!fileName.startsWith(".")) {
      return PURE.includes(room) ? [`${path} is pure and imports ${fileName}`] : [];
    }
    const target = posix.join(posix.dirname(path), fileName);
    return allowed.some((other) => within(target, other)) ? [] : [`${path} imports ${target}`];
  });
}

/** Who reads the environment reads configuration: only mains, configs and the command line. */
function environmentReads({ path, text }: SourceFile): string[] {
  const name = posix.basename(path);
  if (isTest(path) || name === "main.ts" || name === "config.ts" || /^(cli|bench|scripts)\//.test(path)) return [];
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && node.name.text === "env" && node.expression.getText() === "process") {
      found.push(`${path} reads process.env`);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true));
  return found;
}

t.test("every import goes in an allowed direction", async (t) => {
  const files = sourceFiles();
  t.ok(files.length > 20, "the files are found");
  t.same(files.flatMap(violations), []);
});

t.test("only main, config and cli read the environment", async (t) => {
  t.same(sourceFiles().flatMap(environmentReads), []);
});

t.test("the checker catches what it is there for", async (t) => {
  const broken: readonly SourceFile[] = [
    { path: "gateway/routes/lock.ts", text: 'import { decide } from "../../allocator/core/decide.ts";' },
    { path: "gateway/routes/lock.ts", text: 'import type { State } from "../../allocator/core/state.ts";' },
    { path: "gateway/routes/lock.ts", text: 'const core = await import("../../waitlist/core/line.ts");' },
    { path: "allocator/core/turn.ts", text: 'import { hash } from "node:crypto";' },
    { path: "allocator/core/turn.ts", text: 'import { journal } from "../journal/journal.ts";' },
    { path: "allocator/core/turn.ts", text: 'import { now } from "../../shared/platform/clock.ts";' },
    { path: "allocator/actor/show-actor.ts", text: 'export { commit } from "../journal/postgres-journal.ts";' },
    { path: "allocator/journal/journal.ts", text: 'import { Pool } from "../../shared/platform/postgres.ts";' },
    { path: "shared/kernel/ids.ts", text: 'import { Command } from "../protocol/command.ts";' },
    { path: "waitlist/poll/feed.ts", text: 'import { app } from "../../gateway/app.ts";' },
    { path: "kitchen/sink.ts", text: "export const one = 1;" },
  ];
  for (const file of broken) t.equal(violations(file).length, 1, `${file.path}: ${file.text}`);
  t.same(violations({ path: "allocator/actor/a.ts", text: 'import { Journal } from "../journal/journal.ts";' }), []);
  const reader = "export const port = process.env['PORT'];";
  t.equal(environmentReads({ path: "gateway/app.ts", text: reader }).length, 1);
  t.equal(environmentReads({ path: "gateway/config.ts", text: reader }).length, 0);
});
