// One living process at a time may use a data folder. Node has no flock, and a lock file that is deleted and made
// again lets two late-comers take over the same dead one. So lock files are numbered and never given back:
// L1: `lock.<n>` is created by link(2), so exactly one process makes number n.
// L2: the holder is whoever made the highest number, as long as that process lives and has not written "released".
// L3: a number is never used twice; only lower ones are removed, and only by the holder.

import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartFault, systemCodeOf } from "../start-fault.ts";
import { identityOf } from "./process-facts.ts";

const ATTEMPTS_MAX = 20;
const LOCK_FILE = /^lock\.(\d+)$/;
const RELEASED = "released";
/** Root may have used the folder once; its owner must still be able to see by whom. */
const LOCK_MODE = 0o644;

export interface FolderLock {
  release(): Promise<void>;
}

/** The pid that holds `folder` now, or `undefined` when nobody does. */
export async function holderOf(folder: string): Promise<number | undefined> {
  const number = await highest(folder);
  return number === 0 ? undefined : holderAt(folder, number);
}

/** Takes the folder, or throws the StartFault `already_running`. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const own = join(folder, `.lock-${randomUUID()}`);
  await writeFile(own, `${process.pid}\n${identityOf(process.pid) ?? ""}\n`, { mode: LOCK_MODE });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const number = await highest(folder);
      const holder = number === 0 ? undefined : await holderAt(folder, number);
      if (holder !== undefined) throw alreadyRunning(folder, holder);
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
