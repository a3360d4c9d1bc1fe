// DIR/runtime.json: how a command finds the `usher start` that runs on the same data folder.
// Holds the database's password, so only its owner may read it. It may outlive its writer: it counts only while the
// process that wrote it holds the folder.

import { randomUUID } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { holderOf } from "../shared/platform/embedded-postgres/folder-lock.ts";
import { systemCodeOf } from "../shared/platform/start-fault.ts";

export interface Runtime {
  readonly pid: number;
  readonly postgres_url: string;
  /** Where the gateway answers; absent while it is starting. */
  readonly url?: string;
  /** The payment simulator, when it runs. */
  readonly payments_url?: string;
}

export const postgresDirOf = (dataDir: string): string => join(dataDir, "postgres");
/** The payment simulator's. */
export const paymentsDirOf = (dataDir: string): string => join(dataDir, "payments");
const pathOf = (dataDir: string): string => join(dataDir, "runtime.json");

/** Whether a database was ever begun there; one that cannot be looked at counts, so that opening it says why. */
export async function hasData(dataDir: string): Promise<boolean> {
  const postgresDir = postgresDirOf(dataDir);
  try {
    await stat(join(postgresDir, "server"));
    return true;
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) return true;
    // Somebody may be making it right now.
    return (await holderOf(postgresDir).catch(() => undefined)) !== undefined;
  }
}

export async function writeRuntime(dataDir: string, runtime: Runtime): Promise<void> {
  // Renamed into place: a reader sees the old file or the new one, never a half.
  const fresh = `${pathOf(dataDir)}.${randomUUID()}`;
  await writeFile(fresh, `${JSON.stringify(runtime)}\n`, { mode: 0o600 });
  await rename(fresh, pathOf(dataDir));
}

export const removeRuntime = (dataDir: string): Promise<void> => rm(pathOf(dataDir), { force: true });

/** Of the process that runs on this folder now; `undefined` when none does, or it has not got that far. */
export async function readRuntime(dataDir: string): Promise<Runtime | undefined> {
  let runtime: Runtime;
  try {
    runtime = JSON.parse(await readFile(pathOf(dataDir), "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || ["ENOENT", "EACCES"].includes(systemCodeOf(error) ?? "")) return undefined;
    throw error;
  }
  const holder = await holderOf(postgresDirOf(dataDir)).catch(() => undefined);
  return holder === runtime.pid ? runtime : undefined;
}
