// How many files, sockets among them, this process may have open. Past that it can neither accept nor ask its store.

import { readFileSync } from "node:fs";

/** `undefined` where the system does not say (it is not Linux). Node has raised its own limit to the hard one by then. */
export function openFilesMax(limits = "/proc/self/limits"): number | undefined {
  let text: string;
  try {
    text = readFileSync(limits, "latin1");
  } catch {
    return undefined;
  }
  const max = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return max === undefined ? undefined : Number(max);
}
