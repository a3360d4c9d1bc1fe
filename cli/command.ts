// What every command of the command line is made of.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { StartFault } from "../shared/platform/start-fault.ts";
import type { Environment } from "./config.ts";

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
/** sysexits.h: EX_USAGE, EX_CONFIG. */
export const EXIT_USAGE = 64;
export const EXIT_CONFIG = 78;

export interface Io {
  readonly env: Environment;
  /** A line for stdout: what the command answers. */
  readonly say: (line: string) => void;
  /** A line for stderr: what a person should know. */
  readonly warn: (line: string) => void;
}

export interface Command {
  readonly name: string;
  /** What stands behind the name, e.g. `FILE [--data DIR]`. */
  readonly usage: string;
  readonly summary: string;
  /** Lines about its flags. */
  readonly flags: readonly string[];
  /** Answers the exit code. Throws a StartFault for what a person can mend. */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

export const DATA_FLAG = "--data DIR     the data folder (default: USHER_DATA, else .usher)";

/** Parses flags; throws the StartFault `usage`. */
export function parseFlags<Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
  positionalsMax = 0,
) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: positionalsMax > 0, strict: true });
    if (parsed.positionals.length > positionalsMax) {
      throw new Error(`Unexpected argument '${parsed.positionals[positionalsMax]}'.`);
    }
    return parsed;
  } catch (error) {
    // Node adds a hint about `--` that helps nobody here.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split(/(?<=\.) /);
    throw new StartFault("usage", sentence ?? "bad arguments", error);
  }
}
