// How a process ends in good order: what was started last is stopped first, one after the other.
// S1: the first SIGINT, SIGTERM or SIGHUP (the terminal was closed) only asks. Whoever started the parts sees `signal`, finishes or gives up what is
//     under way, and then calls `run`, so that nothing half-started is left behind.
// S2: each step has a bound; a part that takes longer is forced, so that the others still get their turn.
// S3: a second signal forces every part that is left and ends the process. It counts only after a moment: Ctrl-C
//     reaches the process from the terminal and once more from npm, which passes on what it was sent itself.

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

export interface ShutdownOptions {
  readonly log: Log;
  readonly timers: Timers;
  /** Where signals come from and who ends the process: `process`, or a fake. */
  readonly host: Pick<NodeJS.Process, "on" | "off" | "exit">;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const STOP_BOUND_MS = 10_000;
const SECOND_SIGNAL_AFTER_MS = 500;
const EXIT_FORCED = 1;

export class Shutdown {
  /** Resolves with the reason when the end is asked for. */
  readonly requested: Promise<string>;
  readonly #log: Log;
  readonly #timers: Timers;
  readonly #host: ShutdownOptions["host"];
  readonly #parts: Stoppable[] = [];
  readonly #controller = new AbortController();
  #mayForce = false;
  #resolveRequested: (reason: string) => void = () => undefined;

  constructor({ log, timers, host }: ShutdownOptions) {
    this.#log = log;
    this.#timers = timers;
    this.#host = host;
    this.requested = new Promise((resolve) => {
      this.#resolveRequested = resolve;
    });
    for (const signal of SIGNALS) host.on(signal, this.#onSignal);
  }

  /** Aborted when the end is asked for; a long start looks at it between its steps. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  request(reason: string): void {
    if (this.signal.aborted) return;
    this.#log.info({ reason }, "stopping");
    this.#controller.abort();
    this.#resolveRequested(reason);
  }

  add(part: Stoppable): void {
    this.#parts.push(part);
  }

  /** Stops everything that was added and lets go of the signals. Never rejects. */
  async run(): Promise<void> {
    if (!this.signal.aborted) this.#controller.abort();
    // A part stays in the list until it is stopped: a second signal must be able to force it.
    for (let part = this.#parts.at(-1); part !== undefined; part = this.#parts.at(-1)) {
      await this.#stopOne(part);
      this.#parts.splice(this.#parts.indexOf(part), 1);
    }
    for (const signal of SIGNALS) this.#host.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (!this.signal.aborted) {
      this.#timers.setTimeout(() => {
        this.#mayForce = true;
      }, SECOND_SIGNAL_AFTER_MS);
      return this.request(signal);
    }
    if (!this.#mayForce) return;
    for (const part of this.#parts) part.force?.();
    this.#host.exit(EXIT_FORCED);
  };

  async #stopOne(part: Stoppable): Promise<void> {
    const stopped = part.stop().then(
      () => "stopped" as const,
      (error: unknown) => {
        this.#log.error({ part: part.name, error }, "stopping failed");
        return "failed" as const;
      },
    );
    const outcome = await within(stopped, part.boundMs ?? STOP_BOUND_MS, () => "late" as const, this.#timers);
    this.#log.debug({ part: part.name, outcome }, "stopped a part");
    if (outcome === "late") this.#log.error({ part: part.name }, "did not stop in time");
    if (outcome !== "stopped") part.force?.();
  }
}
