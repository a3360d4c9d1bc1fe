// The product as its users start it: `usher start` in a process of its own, on a free port.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestScope } from "./postgres.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** As `npm start` has them: a young generation of 64 MB saves some 8 % of a booking's CPU (165 µs against 178). */
const NODE_ARGUMENTS = ["--max-semi-space-size=64", "--import", "tsx"];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** The first line of stdout that matches, or `undefined` when the process ends without one. */
  line(pattern: RegExp): Promise<string | undefined>;
}

/** `usher ARGS`; killed with the test. */
export function usher(t: TestScope, args: readonly string[], env: Record<string, string> = {}): RunningCommand {
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, "cli/main.ts", ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: "error", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const lines = createInterface({ input: child.stdout });
  const waiting = new Set<() => void>();
  lines.on("line", (line) => {
    output.stdout += `${line}\n`;
    for (const look of waiting) look();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.stderr += chunk.toString("utf8");
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, ...output }));
  });
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const line = (pattern: RegExp): Promise<string | undefined> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = output.stdout.split("\n").find((text) => pattern.test(text));
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then(() => resolve(undefined));
    });
  return { child, ended, line };
}

export interface Product extends RunningCommand {
  readonly url: string;
}

/** `usher start` on a data folder, ready. Rejects with what it said when it does not get that far. */
export async function startProduct(
  t: TestScope,
  dataDir: string,
  options: { readonly flags?: readonly string[]; readonly env?: Record<string, string> } = {},
): Promise<Product> {
  const command = usher(t, ["start", "--port", "0", "--data", dataDir, ...(options.flags ?? [])], options.env);
  const ready = await command.line(/^ready /);
  if (ready === undefined) throw new Error(`usher start ended: ${(await command.ended).stderr}`);
  return { ...command, url: ready.slice("ready ".length) };
}
