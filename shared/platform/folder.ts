// Folders of a person's choosing; `fileFault` says in one sentence why one cannot be used.

import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { StartFault, systemCodeOf } from "./start-fault.ts";

/**
 * Makes a folder and those above it. Not `mkdir({recursive: true})`: that never ends, on a full core, where making a
 * folder answers ENOENT although its parent is there, as in /proc.
 */
export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EEXIST" && (await isFolder(path))) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path || (await isFolder(parent))) throw error;
    await makeFolder(parent, mode);
    await makeFolder(path, mode);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Says in a sentence why a file operation on `path` failed. */
export function fileFault(path: string, error: unknown): StartFault {
  const code = systemCodeOf(error);
  const reason =
    code === "EACCES" || code === "EPERM"
      ? "this user may not write there; choose another folder with --data or change its owner"
      : code === "ENOSPC" || code === "EDQUOT"
        ? "the disk is full; free some space or choose another folder with --data"
        : code === "EROFS"
          ? "its file system is read-only; choose another folder with --data"
          : code === "ENOENT"
            ? "no folder can be made there"
            : code === "ENOTDIR" || code === "EEXIST"
              ? "something that is not a folder is in its place"
              : error instanceof Error
                ? error.message
                : String(error);
  return new StartFault("data_folder", `The data folder ${path} cannot be used: ${reason}.`, error);
}
