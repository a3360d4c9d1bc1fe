// For tests: a process among others on one test's time, which can stand still and be killed. What its timers, its bus and
// its store bring goes through `run`: it waits while the process stands still, and never comes once it is dead.

import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export class FakeProcess {
  readonly timers: Timers;
  readonly #armed = new Set<TimerHandle>();
  #waiting: (() => void)[] = [];
  #state: "runs" | "stands" | "dead" = "runs";

  constructor(timers: Timers) {
    this.timers = {
      setTimeout: (callback, delayMs) => {
        let isCleared = false;
        const run = (): void => {
          if (!isCleared) this.run(callback);
        };
        const real = timers.setTimeout(() => {
          this.#armed.delete(handle);
          run();
        }, delayMs);
        const handle = {
          clear: () => {
            isCleared = true;
            timers.clearTimeout(real);
          },
        };
        this.#armed.add(handle);
        return handle;
      },
      clearTimeout: (handle) => {
        if (handle === undefined) return;
        this.#armed.delete(handle);
        (handle as { clear(): void }).clear();
      },
      setImmediate: (callback) => this.timers.setTimeout(callback, 0),
      clearImmediate: (handle) => this.timers.clearTimeout(handle),
    };
  }

  /** Timers that have not gone off. */
  get armed(): number {
    return this.#armed.size;
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  readonly run = (callback: () => void): void => {
    if (this.#state === "runs") callback();
    else if (this.#state === "stands") this.#waiting.push(callback);
  };

  /** SIGSTOP. */
  stand(): void {
    if (this.#state === "runs") this.#state = "stands";
  }

  /** SIGCONT: everything that has come meanwhile, in its order. */
  goOn(): void {
    if (this.#state !== "stands") return;
    this.#state = "runs";
    for (const callback of this.#waiting.splice(0)) callback();
  }

  kill(): void {
    this.#state = "dead";
    this.#waiting = [];
  }
}
