// One living process at a time may use a data folder. Node has no flock, and a lock file that is deleted and made
// again lets two late-comers take over the same dead one. So lock files are numbered and never given back:
// L1: `lock.<n>` is created by link(2), so exactly one process makes number n.
// L2: the holder is whoever made the highest number, as long as that process lives and has not written "released".
// L3: a number is never used twice; only lower ones are removed, and only by the holder.

import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartFault, systemCodeOf } from "../start-fault.ts";
import { sleepMs, systemTimers } from "../timers.ts";
import { identityOf } from "./process-facts.ts";

const ATTEMPTS_MAX = 20;
const HOLDER_WAIT_MAX_MS = 500;
const HOLDER_POLL_MS = 20;
const LOCK_FILE = /^lock\.(\d+)$/;
const RELEASED = "released";
/** Root may have used the folder once; its owner must still be able to see by whom. */
const LOCK_MODE = 0o644;

export interface FolderLock {
  release(): Promise<void>;
}

/** The pid that holds `folder` now, or `undefined` when nobody does. */
export const holderOf = async (folder: string): Promise<number | undefined> => (await heldNow(folder)).holder;

/** Takes the folder, or throws the StartFault `already_running`. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const own = join(folder, `.lock-${randomUUID()}`);
  await writeFile(own, `${process.pid}\n${identityOf(process.pid) ?? ""}\n`, { mode: LOCK_MODE });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { number, holder } = await settledHolder(folder);
      if (holder !== undefined) throw alreadyRunning(folder, holder);
      // The very number that was looked at: whoever came in between has made it, and this fails.
      if (!(await make(own, folder, number + 1))) continue;
      // A listing taken while another cleaned up can be too low; then a higher number exists and this one counts for nothing.
      if ((await highest(folder)) !== number + 1) continue;
      await removeBelow(folder, number + 1);
      return { release: () => release(folder, number + 1) };
    }
  } finally {
    await rm(own, { force: true });
  }
  throw new StartFault("folder_busy", `The data folder ${folder} is being taken by several processes; try again.`);
}

interface Held {
  /** The highest number there is, 0 when there is none. */
  readonly number: number;
  readonly holder: number | undefined;
}

/** Who holds the folder after a moment: a process that was just killed may take that long to be gone. */
async function settledHolder(folder: string): Promise<Held> {
  for (let waitedMs = 0; ; waitedMs += HOLDER_POLL_MS) {
    const held = await heldNow(folder);
    if (held.holder === undefined || held.holder === process.pid || waitedMs >= HOLDER_WAIT_MAX_MS) return held;
    await sleepMs(HOLDER_POLL_MS, systemTimers);
  }
}

async function heldNow(folder: string): Promise<Held> {
  const number = await highest(folder);
  return { number, holder: number === 0 ? undefined : await holderAt(folder, number) };
}

function alreadyRunning(folder: string, pid: number): StartFault {
  return new StartFault(
    "already_running",
    `Usher is already running as pid ${pid} on the data folder ${folder}; stop it first or choose another with --data.`,
  );
}

async function highest(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).map((name) => Number(LOCK_FILE.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

async function holderAt(folder: string, number: number): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, `lock.${number}`), "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const [pid, identity] = text.split("\n");
  if (pid === undefined || pid === RELEASED) return undefined;
  return identityOf(Number(pid)) === identity ? Number(pid) : undefined;
}

async function make(own: string, folder: string, number: number): Promise<boolean> {
  try {
    await link(own, join(folder, `lock.${number}`));
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function removeBelow(folder: string, number: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const other = Number(LOCK_FILE.exec(name)?.[1] ?? number);
    if (other < number) await rm(join(folder, name), { force: true });
  }
}

async function release(folder: string, number: number): Promise<void> {
  const text = join(folder, `.lock-${randomUUID()}`);
  await writeFile(text, `${RELEASED}\n`, { mode: LOCK_MODE });
  await rename(text, join(folder, `lock.${number}`));
}
