// The project's own source files, as the house rules see them.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["allocator", "gateway", "waitlist", "notifier", "shared", "demo", "cli", "bench", "test", "scripts"];

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export function sourceFiles(): SourceFile[] {
  return FOLDERS.flatMap((folder) => {
    let names: string[] = [];
    try {
      names = readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" });
    } catch {
      return [];
    }
    return names
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
      .map((path) => ({ path, text: readFileSync(`${ROOT}${path}`, "utf8") }));
  });
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
