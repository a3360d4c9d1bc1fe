// At most so many at once; the others wait, first come first served.
// G1: at most WAITING_MAX wait. Who comes then is turned away.

const WAITING_MAX = 1_000;

export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(insideMax: number) {
    this.#free = insideMax;
  }

  async through<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#queue();
    try {
      return await work();
    } finally {
      // Whoever waits takes the place over: nobody who comes now can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  async #queue(): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) throw new Error("too many wait to write a mail");
    await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }
}
