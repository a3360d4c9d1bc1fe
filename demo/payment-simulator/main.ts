// The payment simulator as a process: `main.ts --port 0 --data DIR [--host ADDRESS] [--late-ms N] [--webhook-url URL]`,
// key in PAYMENT_KEY, the webhooks' secret in PAYMENT_WEBHOOK_SECRET or `--webhook-secret`. A parent that learns later
// where they go says so over IPC: `{webhook: {url, secret}}`.
// Prints one line of JSON {url, pid} when ready, and sends the same over IPC when it was forked. Ends in good order on
// SIGTERM and SIGINT, and when the parent that forked it is gone: nothing is left behind by a killed parent.

import { parseArgs } from "node:util";
import { StartFault } from "../../shared/platform/start-fault.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { type PaymentSimulator, type PaymentSimulatorOptions, SIMULATOR_KEY, startPaymentSimulator } from "./server.ts";
import type { WebhookTarget } from "./webhooks.ts";

const EXIT_BAD_USAGE = 78;
const PREDECESSOR_ATTEMPTS_MAX = 50;
const PREDECESSOR_WAIT_MS = 100;

function optionsOf(args: string[], env: NodeJS.ProcessEnv): PaymentSimulatorOptions {
  const values = parse(args);
  if (values.data === undefined) throw new StartFault("bad_usage", "Say where the ledger is: --data DIR.");
  const apiKey = env.PAYMENT_KEY ?? SIMULATOR_KEY;
  const port = wholeNumber("--port", values.port, 65_535);
  const webhook = webhookOf(values["webhook-url"], values["webhook-secret"] ?? env.PAYMENT_WEBHOOK_SECRET);
  const lateMs =
    values["late-ms"] === undefined ? {} : { lateMs: wholeNumber("--late-ms", values["late-ms"], 3_600_000) };
  const { host } = values;
  return { dataDir: values.data, port, host, apiKey, ...lateMs, ...(webhook === undefined ? {} : { webhook }) };
}

function webhookOf(url: string | undefined, secret: string | undefined): WebhookTarget | undefined {
  if (url === undefined) return undefined;
  if (!URL.canParse(url)) throw new StartFault("bad_usage", `--webhook-url takes a web address, not "${url}".`);
  if (secret === undefined || secret === "") {
    throw new StartFault("bad_usage", "Say what webhooks are signed with: PAYMENT_WEBHOOK_SECRET or --webhook-secret.");
  }
  return { url, secret };
}

interface Flags {
  readonly port: string;
  readonly host: string;
  readonly data?: string;
  readonly "late-ms"?: string;
  readonly "webhook-url"?: string;
  readonly "webhook-secret"?: string;
}

function parse(args: string[]): Flags {
  try {
    return parseArgs({
      args,
      options: {
        port: { type: "string", default: "0" },
        host: { type: "string", default: "127.0.0.1" },
        data: { type: "string" },
        "late-ms": { type: "string" },
        "webhook-url": { type: "string" },
        "webhook-secret": { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new StartFault("bad_usage", error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw new StartFault("bad_usage", `${name} takes a whole number from 0 to ${max}, not "${text}".`);
}

/** Settles when the process is to end, with its exit code. */
function endAsked(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve(0));
    process.on("disconnect", () => resolve(0));
    if (process.send !== undefined && !process.connected) resolve(0);
  });
}

/** A predecessor whose parent was killed a moment ago may still be writing its last lines. */
async function startPatiently(options: PaymentSimulatorOptions): Promise<PaymentSimulator> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startPaymentSimulator(options);
    } catch (error) {
      const isHeld = error instanceof StartFault && error.code === "already_running";
      if (!isHeld || attempt === PREDECESSOR_ATTEMPTS_MAX) throw error;
      await sleepMs(PREDECESSOR_WAIT_MS, systemTimers);
    }
  }
}

async function main(): Promise<number> {
  const asked = endAsked();
  const simulator = await startPatiently(optionsOf(process.argv.slice(2), process.env));
  process.on("message", (message: { readonly webhook?: WebhookTarget }) => {
    if (message.webhook !== undefined) simulator.sendWebhooksTo(message.webhook);
  });
  const ready = { url: simulator.url, pid: process.pid };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  if (process.connected) process.send?.(ready);
  const code = await Promise.race([
    asked,
    simulator.broken.then((reason) => {
      process.stderr.write(`payment simulator: ${String(reason)}\n`);
      return 1;
    }),
  ]);
  await simulator.close();
  return code;
}

try {
  process.exitCode = await main();
} catch (error) {
  const known = error instanceof StartFault;
  process.stderr.write(
    `payment simulator: ${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = known && error.code === "bad_usage" ? EXIT_BAD_USAGE : 1;
}
if (process.connected) process.disconnect();
