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
