// A server that an earlier parent left running when it was killed. Called under the folder lock: whatever still runs
// from this folder then is nobody's, and is ended.
// F1: a server stands in its folder (its working directory) and carries it in its command: no pid file is needed, which
//     could be stale, or missing when the parent died right after the start.
// F2: nobody else's process is ever touched, whatever its number.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { identityOf } from "../embedded-postgres/process-facts.ts";
import type { Log } from "../log.ts";
import { StartFault } from "../start-fault.ts";
import { sleepMs, type Timers } from "../timers.ts";

const TERM_MAX_MS = 5_000;
const KILL_MAX_MS = 5_000;
const POLL_MS = 10;
const PS_TIMEOUT_MS = 5_000;

/** The processes whose program is `program` and whose folder is `folder` (a real path). */
export function serversIn(folder: string, program: string): number[] {
  return process.platform === "linux" ? serversByProc(folder, program) : serversByPs(folder, program);
}

function serversByProc(folder: string, program: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      if (!(pid > 0) || pid === process.pid) return false;
      try {
        if (readlinkSync(`/proc/${pid}/cwd`) !== folder) return false;
        const [command = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return command.endsWith(program) && identityOf(pid) !== undefined;
      } catch {
        // Gone since, or somebody else's.
        return false;
      }
    });
}

function serversByPs(folder: string, program: string): number[] {
  const { stdout } = spawnSync("ps", ["-axo", "pid=,command="], { encoding: "utf8", timeout: PS_TIMEOUT_MS });
  return (stdout ?? "").split("\n").flatMap((line) => {
    const [, pid, command = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return command.includes(program) && command.includes(`${folder}/`) ? [Number(pid)] : [];
  });
}

/** Ends what still runs from this folder. Throws the StartFault `leftover_server` when it cannot. */
export async function clearLeftovers(folder: string, program: string, timers: Timers, log: Log): Promise<void> {
  for (const pid of serversIn(folder, program)) {
    log.warn({ pid, program }, "stopping the server that an earlier run left behind");
    if (await endProcess(pid, timers)) continue;
    throw new StartFault(
      "leftover_server",
      `A ${program} (pid ${pid}) still runs in ${folder} and cannot be stopped; stop it and try again.`,
    );
  }
}

/** SIGTERM, then SIGKILL. Whether it is gone. */
async function endProcess(pid: number, timers: Timers): Promise<boolean> {
  const identity = identityOf(pid);
  const isGone = (): boolean => identity === undefined || identityOf(pid) !== identity;
  for (const [signal, boundMs] of [
    ["SIGTERM", TERM_MAX_MS],
    ["SIGKILL", KILL_MAX_MS],
  ] as const) {
    for (let waitedMs = 0; waitedMs < boundMs; waitedMs += POLL_MS) {
      if (isGone()) return true;
      if (waitedMs === 0) send(pid, signal);
      await sleepMs(POLL_MS, timers);
    }
  }
  return isGone();
}

/** Also to one that was stopped in its tracks: it hears of it when it goes on. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
    process.kill(pid, "SIGCONT");
  } catch {
    // Gone since.
  }
}
