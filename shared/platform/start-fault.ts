// A fault that stops a process from starting. Its message is one plain sentence for the person at the terminal: what
// is wrong and what to do about it. cli/main.ts prints the message alone; everything else prints its stack.

export class StartFault extends Error {
  override readonly name = "StartFault";
  /** Stable and greppable, e.g. `port_taken`. */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The `code` of a Node system error (`ENOENT`, `EACCES` …), or `undefined`. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
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
