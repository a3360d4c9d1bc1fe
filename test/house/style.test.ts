// Goal: the measures of the style that no linter knows: short files, short functions, a header that says what a file
// is for, names that say what is inside. Method: the compiler's own parser over every file; the checker is shown
// breaking files too.

import { posix } from "node:path";
import t from "tap";
import ts from "typescript";
import { isTest, type SourceFile, sourceFiles } from "./source-files.ts";

const FILE_LINES_MAX = 350;
const FUNCTION_LINES_MAX = 60;
const PARAMETERS_MAX = 4;
/** Inside a module one more is better than an object made for every call of a turn. */
const PARAMETERS_PRIVATE_MAX = 5;
const EMPTY_NAMES = new Set(["utils.ts", "util.ts", "helpers.ts", "helper.ts", "types.ts", "index.ts", "common.ts"]);

function violations({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const lines = text.trimEnd().split("\n").length;
  if (lines > FILE_LINES_MAX && !path.endsWith(".test.ts")) found.push(`${path} has ${lines} lines`);
  if (EMPTY_NAMES.has(posix.basename(path))) found.push(`${path} is named after nothing`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(posix.basename(path))) found.push(`${path} is not in kebab-case`);
  if (isTest(path)) return found;
  if (!text.startsWith("//") && !text.startsWith("#!")) found.push(`${path} does not open by saying what it is`);
  return [...found, ...longFunctions(path, text)];
}

function longFunctions(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const first = lineOf(node.getStart());
      const lines = lineOf(node.getEnd()) - first + 1;
      if (lines > FUNCTION_LINES_MAX) found.push(`${path}:${first + 1} is a function of ${lines} lines`);
      const isPrivate = ts.isFunctionDeclaration(node) && !/^export\b/.test(node.getText());
      if (node.parameters.length > (isPrivate ? PARAMETERS_PRIVATE_MAX : PARAMETERS_MAX)) {
        found.push(`${path}:${first + 1} takes ${node.parameters.length} parameters`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

t.test("files and functions keep to their measure", async (t) => {
  t.same(sourceFiles().flatMap(violations), []);
});

t.test("the checker catches what it is there for", async (t) => {
  const header = "// A file.\n";
  const long = `${header}export function f() {\n${"  g();\n".repeat(FUNCTION_LINES_MAX)}}\n`;
  t.match(violations({ path: "gateway/long.ts", text: long }), [/function of 62 lines/]);
  t.match(violations({ path: "gateway/wide.ts", text: `${header}export const f = (a, b, c, d, e) => a;` }), [
    /takes 5/,
  ]);
  t.match(violations({ path: "gateway/big.ts", text: header.repeat(FILE_LINES_MAX + 1) }), [/has 351 lines/]);
  t.match(violations({ path: "gateway/utils.ts", text: header }), [/named after nothing/]);
  t.match(violations({ path: "gateway/SeatView.ts", text: header }), [/kebab-case/]);
  t.match(violations({ path: "gateway/bare.ts", text: "export const one = 1;" }), [/does not open/]);
  t.same(violations({ path: "gateway/seat-view.ts", text: `${header}export const one = 1;\n` }), []);
});
