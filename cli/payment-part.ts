// Payments of `usher start`: the payment gateway that was set, or the simulator as a child process of ours.
// Q1: a simulator of ours is told where the webhook is once the gateway listens, also when it was started again since.

import { randomBytes } from "node:crypto";
import { type PaymentTrouble, StripeGateway } from "../allocator/payments/stripe-adapter.ts";
import { SIMULATOR_KEY } from "../demo/payment-simulator/server.ts";
import type { WebhookTarget } from "../demo/payment-simulator/webhooks.ts";
import type { Log } from "../shared/platform/log.ts";
import type { Shutdown } from "../shared/platform/shutdown.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import type { Config } from "./config.ts";
import { paymentsDirOf } from "./runtime-file.ts";
import { type SimulatorProcess, startSimulator } from "./simulator-process.ts";
import { Supervised } from "./supervised.ts";

export interface PaymentPart {
  readonly gateway: StripeGateway;
  readonly simulatorUrl: string | undefined;
  /** What webhooks are signed with; none: there is no webhook. */
  readonly webhookSecrets: readonly string[];
  /** The gateway listens at `url` now. */
  tellUrl(url: string): void;
}

interface Surroundings {
  readonly config: Config;
  readonly log: Log;
  readonly shutdown: Shutdown;
}

interface RunningSimulator {
  readonly url: string;
  sendWebhooksTo(target: WebhookTarget): void;
}

/** `undefined`: payments are authorised on the spot. */
export async function choosePayments(around: Surroundings): Promise<PaymentPart | undefined> {
  const { config, log, shutdown } = around;
  const { payment } = config;
  if (payment.kind === "instant") return undefined;
  const apiKey = config.paymentKey ?? SIMULATOR_KEY;
  const simulator = payment.kind === "http" ? undefined : await startSupervisedSimulator(apiKey, around);
  const url = payment.kind === "http" ? payment.url : (simulator?.url ?? "");
  const gateway = new StripeGateway({
    url,
    apiKey,
    timers: systemTimers,
    onTrouble: (trouble) => logTrouble(log, trouble),
  });
  shutdown.add({ name: "payments", stop: () => gateway.close() });
  const { paymentWebhookSecrets: known } = config;
  const [secret, ...others] =
    simulator === undefined || known.length > 0 ? known : [`whsec_${randomBytes(24).toString("hex")}`];
  return {
    gateway,
    simulatorUrl: simulator?.url,
    webhookSecrets: secret === undefined ? [] : [secret, ...others],
    tellUrl(at) {
      if (secret !== undefined) simulator?.sendWebhooksTo({ url: new URL("/v1/payments/webhook", at).href, secret });
    },
  };
}

function logTrouble(log: Log, trouble: PaymentTrouble): void {
  if (trouble.kind === "breaker") {
    log.warn({ breaker: trouble.state }, "payment gateway: new payments are refused while the breaker is open");
  } else {
    const { bookingId, key, status, message } = trouble;
    log.warn({ booking_id: bookingId, key, status, reason: message }, "payment gateway: a call failed");
  }
}

async function startSupervisedSimulator(
  apiKey: string,
  { config, log, shutdown }: Surroundings,
): Promise<RunningSimulator> {
  const dataDir = paymentsDirOf(config.dataDir);
  let webhook: WebhookTarget | undefined;
  const supervised = await Supervised.start({
    name: "payment simulator",
    start: (previous: SimulatorProcess | undefined) =>
      startSimulator({ dataDir, port: previous?.port ?? 0, apiKey, ...(webhook === undefined ? {} : { webhook }) }),
    timers: systemTimers,
    log,
  });
  shutdown.add({
    name: "payment simulator",
    stop: () => supervised.stop(),
    force: () => supervised.current.kill(),
  });
  return {
    url: supervised.current.url,
    sendWebhooksTo(target) {
      webhook = target;
      supervised.current.sendWebhooksTo(target);
    },
  };
}
