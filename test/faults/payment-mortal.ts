// The product as a process that dies again and again: `usher start` over a store and a payment provider that live on,
// killed with -9 and started again.
// M1: whoever asks for `url` waits until it is ready again. A product that dies by itself fails everybody who waits.

import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { TestScope } from "../harness/postgres.ts";
import { type Product, startProduct } from "../harness/product.ts";

/** In wall-clock milliseconds: killed, and ready again. */
export interface Outage {
  readonly from: number;
  readonly until: number;
}

export interface MortalOptions {
  readonly dataDir: string;
  readonly env: Record<string, string>;
  /** Hears where it answers, at each start. */
  readonly onReady?: (url: string) => void;
}

export class MortalProduct {
  readonly outages: Outage[] = [];
  readonly #t: TestScope;
  readonly #options: MortalOptions;
  #product: Promise<Product>;
  #isGivenUp = false;

  constructor(t: TestScope, options: MortalOptions) {
    this.#t = t;
    this.#options = options;
    this.#product = this.#start();
  }

  /** Where it answers. */
  get url(): Promise<string> {
    return this.#product.then(({ url }) => url);
  }

  /** The test has failed: nobody waits for it any more, and it is not started again. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#fail(new Error("the test has given up"));
  }

  /** kill -9, and started again. */
  async dieAndRise(): Promise<void> {
    const { child, ended } = await this.#product;
    const from = Date.now();
    // Before anybody can notice: from now on `url` is that of the next life.
    this.#product = ended.then(() => this.#start());
    child.kill("SIGKILL");
    await this.#product;
    this.outages.push({ from, until: Date.now() });
  }

  /** One death after the other, each so long after it was ready, until `isOver`. */
  async dieEvery(aliveMs: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      await this.#product;
      await sleepMs(aliveMs, systemTimers);
      if (isOver() || this.#isGivenUp) return;
      await this.dieAndRise();
    }
  }

  /** Ctrl-C; answers the exit code. */
  async end(): Promise<number | null> {
    const { child, ended } = await this.#product;
    child.kill("SIGINT");
    return (await ended).code;
  }

  async #start(): Promise<Product> {
    const { dataDir, env, onReady } = this.#options;
    const product = await startProduct(this.#t, dataDir, { flags: ["--no-demo"], env });
    onReady?.(product.url);
    void product.ended.then(({ signal, code, stderr }) => {
      if (signal === "SIGKILL" || code === 0) return;
      this.#fail(new Error(`the product ended by itself (${code ?? signal}): ${stderr}`));
    });
    return product;
  }

  #fail(error: Error): void {
    this.#product = Promise.reject(error);
    this.#product.catch(() => undefined);
  }
}
