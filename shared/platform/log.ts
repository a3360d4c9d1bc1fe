// Structured logs: one JSON object a line on stderr, so that stdout stays free for what a command answers.
// Nothing here is global: whoever starts a process makes its logger and hands it down.

import { destination, pino } from "pino";

export type Log = pino.Logger;

export const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** The part that speaks, e.g. `gateway`. */
  readonly name: string;
}

export function createLog(options: LogOptions): Log {
  // Synchronous writes: a line about a crash must not die with the process, and hot paths log at debug.
  return pino(
    { level: options.level, name: options.name, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ fd: 2, sync: true }),
  );
}

export const silentLog = (): Log => pino({ level: "silent" });
