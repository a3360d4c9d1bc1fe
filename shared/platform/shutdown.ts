// How a process ends in good order: what was started last is stopped first, one after the other.
// S1: the first SIGINT or SIGTERM only asks. Whoever started the parts sees `signal`, finishes or gives up what is
//     under way, and then calls `run`, so that nothing half-started is left behind.
// S2: each step has a bound; a part that takes longer is forced, so that the others still get their turn.
// S3: a second signal forces every part that is left and ends the process.

import type { Log } from "./log.ts";
import { type Timers, within } from "./timers.ts";

export interface Stoppable {
  readonly name: string;
  readonly stop: () => Promise<void>;
  /** Ends it at once, without waiting. */
  readonly force?: () => void;
  /** Default 10 s. */
  readonly boundMs?: number;
}

export interface Shutdown {
  /** Aborted when the end is asked for; a long start looks at it between its steps. */
  readonly signal: AbortSignal;
  /** Resolves with the reason when the end is asked for. */
  readonly requested: Promise<string>;
  request(reason: string): void;
  add(part: Stoppable): void;
  /** Stops everything that was added and lets go of the signals. Never rejects. */
  run(): Promise<void>;
}

export interface ShutdownOptions {
  readonly log: Log;
  readonly timers: Timers;
  /** Where signals come from and who ends the process: `process`, or a fake. */
  readonly host: Pick<NodeJS.Process, "on" | "off" | "exit">;
}

const STOP_BOUND_MS = 10_000;
const EXIT_FORCED = 1;

export function createShutdown({ log, timers, host }: ShutdownOptions): Shutdown {
  const parts: Stoppable[] = [];
  const controller = new AbortController();
  let resolveRequested: (reason: string) => void = () => undefined;
  const requested = new Promise<string>((resolve) => {
    resolveRequested = resolve;
  });

  const request = (reason: string): void => {
    if (controller.signal.aborted) return;
    log.info({ reason }, "stopping");
    controller.abort();
    resolveRequested(reason);
  };

  const onSignal = (signal: NodeJS.Signals): void => {
    if (!controller.signal.aborted) return request(signal);
    for (const part of parts) part.force?.();
    host.exit(EXIT_FORCED);
  };
  host.on("SIGINT", onSignal);
  host.on("SIGTERM", onSignal);

  const stopOne = async (part: Stoppable): Promise<void> => {
    const stopped = part.stop().then(
      () => "stopped" as const,
      (error: unknown) => {
        log.error({ part: part.name, error }, "stopping failed");
        return "failed" as const;
      },
    );
    const outcome = await within(stopped, part.boundMs ?? STOP_BOUND_MS, () => "late" as const, timers);
    log.debug({ part: part.name, outcome }, "stopped a part");
    if (outcome === "late") log.error({ part: part.name }, "did not stop in time");
    if (outcome !== "stopped") part.force?.();
  };

  return {
    signal: controller.signal,
    requested,
    request,
    add: (part) => void parts.push(part),
    async run() {
      request("end");
      // A part stays in the list until it is stopped: a second signal must be able to force it.
      for (let part = parts.at(-1); part !== undefined; part = parts.at(-1)) {
        await stopOne(part);
        parts.splice(parts.indexOf(part), 1);
      }
      host.off("SIGINT", onSignal);
      host.off("SIGTERM", onSignal);
    },
  };
}
