// What can be known about another process of this machine: is it alive, since when, where does it stand.
// F1: a pid alone is no identity, pids are used again. pid + start time (+ boot) is one.
// F2: a zombie is dead. In containers nobody may ever reap an orphan's.

import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

const PS_TIMEOUT_MS = 5_000;
const onLinux = process.platform === "linux";

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function ps(pid: number, columns: string): string | undefined {
  const result = spawnSync("ps", ["-o", columns, "-p", String(pid)], { encoding: "utf8", timeout: PS_TIMEOUT_MS });
  const line = result.status === 0 ? result.stdout.trim() : "";
  return line === "" ? undefined : line;
}

/** Names one process for ever, or `undefined` when no such process lives. */
export function identityOf(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (!onLinux) {
    const line = ps(pid, "stat=,lstart=");
    return line === undefined || line.startsWith("Z") ? undefined : line.replace(/^\S+\s+/, "");
  }
  const stat = readOr(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the command in brackets and may hold anything; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const startTicks = fields[19];
  if (state === "Z" || state === "X") return undefined;
  return `${readOr("/proc/sys/kernel/random/boot_id")?.trim() ?? ""}/${startTicks}`;
}

/** Whether `pid` is a Postgres server whose data folder is `clusterDir` (a real path). */
export function isServerOf(pid: number, clusterDir: string): boolean {
  if (identityOf(pid) === undefined) return false;
  if (!onLinux) {
    const command = ps(pid, "command=") ?? "";
    return command.includes("postgres") && command.includes(clusterDir);
  }
  const command = readOr(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
  if (!command.some((word) => word.endsWith("postgres"))) return false;
  try {
    // A postmaster stands in its data folder; that still tells when the folder was moved since.
    return readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
  } catch {
    return command.includes(clusterDir);
  }
}
