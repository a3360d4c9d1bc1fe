// The Postgres data folder ("cluster") and its password.
// C1: a cluster is made beside its place and renamed into it, so one that is there is whole. What an interrupted
//     initdb left behind is removed by the next start, under the folder lock.
// C2: the password is random, written before the cluster that knows it, and only its owner may read it.

import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileFault, StartFault, systemCodeOf } from "../start-fault.ts";
import { type RunAs, runToEnd } from "./run-as.ts";

export const SUPERUSER = "usher";
const INITDB_TIMEOUT_MS = 120_000;
/** How Postgres says that the disk is full; half a block written is the last it gets in. */
export const DISK_FULL = /No space left|Disk quota exceeded|wrote only \d+ of \d+ bytes/;
const UNFINISHED = /^cluster\.new-/;

/** Makes the cluster in `workDir` unless there is one; answers its password. */
export async function prepareCluster(folder: string, workDir: string, runAs: RunAs, fsync: boolean): Promise<string> {
  const clusterDir = join(workDir, "cluster");
  for (const name of await readdir(workDir)) {
    if (UNFINISHED.test(name)) await rm(join(workDir, name), { recursive: true, force: true });
  }
  if (await hasCluster(clusterDir, runAs)) return readPassword(folder);
  const password = randomBytes(24).toString("base64url");
  await writeFile(join(folder, "password"), password, { mode: 0o600 });
  const fresh = join(workDir, `cluster.new-${process.pid}`);
  await initialise(fresh, password, runAs, fsync);
  await rename(fresh, clusterDir);
  if (fsync) await syncFolder(workDir);
  return password;
}

export async function readPassword(folder: string): Promise<string> {
  try {
    return (await readFile(join(folder, "password"), "utf8")).trim();
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw fileFault(folder, error);
    throw new StartFault(
      "password_missing",
      `The file ${join(folder, "password")} is missing; put it back from a copy.`,
    );
  }
}

async function hasCluster(clusterDir: string, runAs: RunAs): Promise<boolean> {
  let version: string;
  try {
    await stat(clusterDir);
    version = (await readFile(join(clusterDir, "PG_VERSION"), "utf8")).trim();
    await stat(join(clusterDir, "global", "pg_control"));
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw fileFault(clusterDir, error);
    if ((await stat(clusterDir).catch(() => undefined)) === undefined) return false;
    throw new StartFault(
      "cluster_incomplete",
      `${clusterDir} is not a whole Postgres data folder; move it away to begin anew, or put a copy in its place.`,
    );
  }
  const own = runAs.binaries.version.split(".")[0];
  if (version === own) return true;
  throw new StartFault(
    "cluster_version",
    `${clusterDir} was made by Postgres ${version}, and this Usher brings Postgres ${own}; ` +
      "move the data over with pg_dump, or choose another folder with --data.",
  );
}

async function initialise(fresh: string, password: string, runAs: RunAs, fsync: boolean): Promise<void> {
  await mkdir(fresh, { mode: 0o700 });
  const passwordFile = `${fresh}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  try {
    const owner = runAs.owner ?? runAs.user;
    if (owner !== undefined) {
      await chown(fresh, owner.uid, owner.gid);
      await chown(passwordFile, owner.uid, owner.gid);
    }
    const args = ["-D", fresh, "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--auth=scram-sha-256"];
    args.push(`--pwfile=${passwordFile}`, "--no-instructions", ...(fsync ? [] : ["--no-sync"]));
    const result = runToEnd(runAs, runAs.binaries.initdb, args, INITDB_TIMEOUT_MS);
    if (result.status !== 0) throw initFault(fresh, result);
    await chmod(fresh, 0o700);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function initFault(fresh: string, result: ReturnType<typeof runToEnd>): StartFault {
  const said = `${result.stdout ?? ""}${result.stderr ?? ""}`;
  const folder = dirname(fresh);
  if (DISK_FULL.test(said)) return fileFault(folder, { code: "ENOSPC" });
  if (/Permission denied/.test(said)) return fileFault(folder, { code: "EACCES" });
  const lines = said.split("\n").filter((line) => /error|fatal|detail|could not/i.test(line));
  const reason = result.error?.message ?? lines.join(" ") ?? said.trim();
  return new StartFault("initdb", `Postgres could not make its data folder ${fresh}: ${reason || said.trim()}`);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
