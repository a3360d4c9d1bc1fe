// The payment simulator in a process of its own, which outlives the product: to be killed, frozen and asked for its
// ledger. It ends with the process that started it, whatever becomes of that.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestScope } from "../harness/postgres.ts";

const MAIN = fileURLToPath(new URL("../../demo/payment-simulator/main.ts", import.meta.url));

/** A payment as the provider's ledger has it. Amounts in minor units. */
export interface LedgerIntent {
  readonly id: string;
  readonly booking_id: string;
  readonly idempotency_key: string;
  readonly amount: number;
  readonly amount_received: number;
  readonly amount_refunded: number;
  readonly status: string;
}

export interface ProviderOptions {
  readonly dataDir: string;
  readonly apiKey: string;
  /** Further flags of the simulator. */
  readonly flags?: readonly string[];
}

export class PaymentProvider {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(child: ChildProcess, exited: Promise<void>, url: string) {
    this.#child = child;
    this.#exited = exited;
    this.url = url;
  }

  /** Killed with the test. */
  static async start(t: TestScope, { dataDir, apiKey, flags = [] }: ProviderOptions): Promise<PaymentProvider> {
    const child = fork(MAIN, ["--port", "0", "--data", dataDir, ...flags], {
      execArgv: ["--import", import.meta.resolve("tsx")],
      env: { PATH: "", PAYMENT_KEY: apiKey },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    t.teardown(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    const ready = new Promise<string>((resolve) => {
      child.once("message", (message: { readonly url: string }) => resolve(message.url));
    });
    const url = await Promise.race([ready, exited]);
    if (url === undefined) throw new Error("the payment simulator did not start");
    return new PaymentProvider(child, exited, url);
  }

  /** Whoever asks is not answered any more; connections stay as they are. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** From now on; `url` of the product, which may have moved. */
  tellAt(url: string, secret: string): void {
    // One that has been killed cannot be told.
    this.#child.send({ webhook: { url: `${url}/v1/payments/webhook`, secret } }, () => undefined);
  }

  async intents(): Promise<readonly LedgerIntent[]> {
    const answer = await fetch(`${this.url}/sim/ledger`);
    const { intents } = (await answer.json()) as { readonly intents: readonly LedgerIntent[] };
    return intents;
  }
}
