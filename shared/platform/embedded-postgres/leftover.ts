// The server that an earlier parent left running when it was killed, and the postmaster.pid of one that is gone.
// Called under the folder lock: whatever still runs on this cluster then is nobody's, and is stopped in good order.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { StartFault, systemCodeOf } from "../start-fault.ts";
import type { Timers } from "../timers.ts";
import { sleepMs } from "../timers.ts";
import { identityOf, isServerOf } from "./process-facts.ts";

/** A fast shutdown writes a checkpoint first, which takes as long as the disk does. */
export const FAST_STOP_MAX_MS = 30_000;
export const IMMEDIATE_STOP_MAX_MS = 5_000;
const POLL_MS = 20;

export interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly isReady: boolean;
}

/** `postmaster.pid`, or `undefined` when there is none or it is still being written. */
export async function readPidFile(clusterDir: string): Promise<PidFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(clusterDir, "postmaster.pid"), "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const lines = text.split("\n");
  // The eighth line says `starting`, `ready` …; the first is negative for a server without a postmaster.
  const pid = Math.abs(Number(lines[0]));
  return pid > 0 ? { pid, port: Number(lines[3]), isReady: lines[7]?.trim() === "ready" } : undefined;
}

/** Stops a server that still runs on this cluster and removes a stale pid file. */
export async function clearLeftover(clusterDir: string, timers: Timers, log: Log): Promise<void> {
  const found = await readPidFile(clusterDir).catch(() => undefined);
  if (found !== undefined && isServerOf(found.pid, clusterDir)) {
    log.warn({ pid: found.pid }, "stopping the Postgres server that an earlier run left behind");
    if (!(await stopProcess(found.pid, timers))) {
      throw new StartFault(
        "leftover_server",
        `A Postgres server (pid ${found.pid}) still runs on ${clusterDir} and cannot be stopped; stop it and try again.`,
      );
    }
  }
  await rm(join(clusterDir, "postmaster.pid"), { force: true });
}

/** SIGINT (fast), then SIGQUIT (immediate; the log is replayed at the next start). Whether the process is gone. */
export async function stopProcess(pid: number, timers: Timers): Promise<boolean> {
  const identity = identityOf(pid);
  for (const [signal, boundMs] of [
    ["SIGINT", FAST_STOP_MAX_MS],
    ["SIGQUIT", IMMEDIATE_STOP_MAX_MS],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      return systemCodeOf(error) === "ESRCH";
    }
    for (let waitedMs = 0; waitedMs < boundMs; waitedMs += POLL_MS) {
      if (identity === undefined || identityOf(pid) !== identity) return true;
      await sleepMs(POLL_MS, timers);
    }
  }
  return identityOf(pid) !== identity;
}
