// The whole product for a benchmark, as its users start it, with its data in a temporary folder.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProduct, usher } from "../test/harness/product.ts";

export interface BenchProduct {
  readonly url: string;
  readonly pid: number;
  adminToken(): Promise<string>;
  stop(): Promise<void>;
}

/** `environment` goes on top of the caller's. Rejects when it does not get ready. */
export async function startBenchProduct(environment: Record<string, string>): Promise<BenchProduct> {
  const dataDir = await mkdtemp(join(tmpdir(), "usher-bench-"));
  const ends: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  const scope = { teardown: (end: () => Promise<void>) => void ends.push(end) };
  const product = await startProduct(scope, dataDir, { flags: ["--no-demo"], env: environment });
  return {
    url: product.url,
    pid: product.child.pid ?? Number.NaN,
    async adminToken() {
      const { stdout, stderr } = await usher(scope, ["token", "--scope", "admin", "--data", dataDir]).ended;
      const token = stdout.trim().split("\n").at(-1);
      if (token === undefined || token === "") throw new Error(`usher token: ${stderr}`);
      return token;
    },
    async stop() {
      product.child.kill("SIGINT");
      await product.ended;
      for (const end of ends.reverse()) await end();
    },
  };
}
