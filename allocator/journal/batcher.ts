// Many questions of one kind, asked together: what comes in while a batch is under way goes with the next.
// A question is answered by a batch that began after it was asked: that is what makes it good for fence checks.

import type { Timers } from "../../shared/platform/timers.ts";

export interface BatcherOptions<Q, A> {
  /** Answers in the order of the questions; a rejection is every question's. */
  readonly ask: (questions: readonly Q[]) => Promise<readonly A[]>;
  readonly batchMax: number;
  readonly batchesAtOnceMax: number;
  readonly timers: Timers;
}

interface Waiting<Q, A> {
  readonly question: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

export class Batcher<Q, A> {
  readonly #options: BatcherOptions<Q, A>;
  #waiting: Waiting<Q, A>[] = [];
  #underWay = 0;
  #isPlanned = false;

  constructor(options: BatcherOptions<Q, A>) {
    this.#options = options;
  }

  ask(question: Q): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#plan();
    });
  }

  #plan(): void {
    if (this.#isPlanned || this.#underWay >= this.#options.batchesAtOnceMax || this.#waiting.length === 0) return;
    this.#isPlanned = true;
    this.#options.timers.setImmediate(() => {
      this.#isPlanned = false;
      const batch = this.#waiting.splice(0, this.#options.batchMax);
      this.#underWay += 1;
      void this.#run(batch);
      this.#plan();
    });
  }

  async #run(batch: readonly Waiting<Q, A>[]): Promise<void> {
    try {
      const answers = await this.#options.ask(batch.map((waiting) => waiting.question));
      for (const [i, waiting] of batch.entries()) waiting.resolve(answers[i] as A);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    } finally {
      this.#underWay -= 1;
      this.#plan();
    }
  }
}
