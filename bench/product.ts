// The whole product as its users start it, in processes of its own, with its data in a temporary folder.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const NODE_ARGUMENTS = ["--import", "tsx", CLI];

export interface Product {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** An admin's token. */
  adminToken(): string;
  stop(): Promise<void>;
}

/** `environment` goes on top of the caller's. Rejects when it does not say that it is ready. */
export async function startProduct(environment: Record<string, string>): Promise<Product> {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-bench-"));
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, "start", "--port", "0", "--data", dataDir], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await readyUrl(child, ended);
  return {
    url,
    pid: child.pid as number,
    dataDir,
    adminToken: () => lastLine(["token", "--scope", "admin", "--data", dataDir]),
    async stop() {
      child.kill("SIGINT");
      await ended;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function readyUrl(child: ChildProcess, ended: Promise<void>): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ready = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      const url = /^ready (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  const url = await Promise.race([ready, ended]);
  if (url === undefined) throw new Error("the product ended before it was ready");
  return url;
}

function lastLine(commandLine: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...NODE_ARGUMENTS, ...commandLine], { encoding: "utf8" });
  if (status !== 0) throw new Error(`usher ${commandLine[0]} failed: ${stderr}`);
  return stdout.trim().split("\n").at(-1) as string;
}
