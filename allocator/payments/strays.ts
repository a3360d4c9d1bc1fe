// Payments at the provider that no booking keeps (Y5 of core/payment.ts): found by the provider's hints, given back.
// W1: the provider itself is asked before anything is done: a hint that is wrong, or comes again, changes nothing.
// W2: nothing of it is recorded here. Whoever hinted hears `false` until it is done, and hints again.

import type { Log } from "../../shared/platform/log.ts";
import type { CheckPayment } from "../../shared/protocol/command.ts";
import { giveBackFound } from "./give-back.ts";
import type { PaymentGateway } from "./port.ts";

/** Given back at once; one more is refused. */
const STRAYS_MAX = 64;

export class Strays {
  readonly #gateway: PaymentGateway;
  readonly #log: Log;
  /** By reference. */
  readonly #underWay = new Map<string, Promise<boolean>>();

  constructor(gateway: PaymentGateway, log: Log) {
    this.#gateway = gateway;
    this.#log = log;
  }

  /** True: nothing of it is left with the provider. */
  giveBack(stray: Omit<CheckPayment, "kind">): Promise<boolean> {
    const { reference } = stray;
    const known = this.#underWay.get(reference);
    if (known !== undefined) return known;
    if (this.#underWay.size >= STRAYS_MAX) return Promise.resolve(false);
    const giving = this.#give(stray).finally(() => this.#underWay.delete(reference));
    this.#underWay.set(reference, giving);
    return giving;
  }

  /** What is under way has ended. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  async #give({ bookingId, attempt, reference }: Omit<CheckPayment, "kind">): Promise<boolean> {
    const found = await this.#gateway.look(reference, bookingId, attempt);
    // One that is still under way is hinted at again when it succeeds.
    const open = found.kind === "found" ? found.payments.filter(({ state }) => state === "open") : undefined;
    const end = open === undefined ? undefined : await giveBackFound(this.#gateway, { kind: "found", payments: open });
    const line = { booking_id: bookingId, attempt, reference, end: end ?? "unknown" };
    if (end === "voided" || end === "refunded") this.#log.warn(line, "a payment that no booking keeps was given back");
    else if (end === "failed") this.#log.error(line, "a payment that no booking keeps cannot be given back");
    return end !== undefined && end !== "failed";
  }
}
