// What the system says about open files, and what is made of it where it says nothing.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { openFilesMax } from "./open-files.ts";

t.test("reads the limit that holds", async (t) => {
  const file = join(t.testdir(), "limits");
  await writeFile(file, "Limit  Soft Limit  Hard Limit  Units\nMax open files            4096   20000   files\n");
  t.equal(openFilesMax(file), 4_096);
  await writeFile(file, "Max open files            unlimited   unlimited   files\n");
  t.equal(openFilesMax(file), undefined);
  t.equal(openFilesMax(join(t.testdirName, "nowhere")), undefined);
});

t.test("a process has some", async (t) => {
  t.ok((openFilesMax() ?? 256) >= 256);
});
