// All processes of a Postgres server, to stop them in their tracks and let them go on: each backend leads a session of
// its own, so a signal to the server's process group reaches only the postmaster.

import { readdir, readFile } from "node:fs/promises";

/** The parent of a process, or `undefined` when it is gone. Linux only. */
async function parentOf(pid: number): Promise<number | undefined> {
  // The name, in parentheses, may itself have spaces.
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[1] === undefined ? undefined : Number(fields[1]);
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const parents = await Promise.all(pids.map(parentOf));
  return pids.filter((_, i) => parents[i] === parent);
}

function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended since.
  }
}

/** Stops the server as it is; answers how to let it go on. */
export async function freezePostgres(postmaster: number): Promise<() => void> {
  // First the postmaster, so that no backend is born meanwhile.
  process.kill(postmaster, "SIGSTOP");
  const backends = await childrenOf(postmaster);
  for (const pid of backends) process.kill(pid, "SIGSTOP");
  return () => {
    for (const pid of [...backends, postmaster]) wake(pid);
  };
}
