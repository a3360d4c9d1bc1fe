// The payment simulator as a child process. It speaks over an IPC channel, whose end it takes as its own: when this
// process is killed, the simulator ends too. A process group of its own keeps Ctrl-C from it until we stop it.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { WebhookTarget } from "../demo/payment-simulator/webhooks.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { systemTimers, within } from "../shared/platform/timers.ts";
import type { ChildPart } from "./supervised.ts";

const MAIN = fileURLToPath(new URL("../demo/payment-simulator/main.ts", import.meta.url));
const READY_MAX_MS = 30_000;
const STOP_MAX_MS = 5_000;

export interface SimulatorProcess extends ChildPart {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  sendWebhooksTo(target: WebhookTarget): void;
  kill(): void;
}

export interface SimulatorOptions {
  readonly dataDir: string;
  /** 0: any free one. */
  readonly port: number;
  readonly apiKey: string;
  /** Who is told what becomes of payments. */
  readonly webhook?: WebhookTarget;
}

export async function startSimulator(options: SimulatorOptions): Promise<SimulatorProcess> {
  const { webhook } = options;
  const where = webhook === undefined ? [] : ["--webhook-url", webhook.url];
  const child = fork(MAIN, ["--port", String(options.port), "--data", options.dataDir, ...where], {
    execArgv: ["--import", import.meta.resolve("tsx")],
    // Not among the arguments, which everybody on the machine can read.
    env: { PATH: "", PAYMENT_KEY: options.apiKey, PAYMENT_WEBHOOK_SECRET: webhook?.secret ?? "" },
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-2_000);
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const url = await Promise.race([
    within(readyUrl(child), READY_MAX_MS, () => undefined, systemTimers),
    exited.then(() => undefined),
  ]);
  if (url === undefined) {
    child.kill("SIGKILL");
    const reason = said.trim().split("\n").at(-1) ?? "";
    throw new StartFault("simulator", `The payment simulator did not start: ${reason || "it said nothing"}`);
  }
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await within(exited, STOP_MAX_MS, () => child.kill("SIGKILL"), systemTimers);
    await exited;
  };
  const sendWebhooksTo = (target: WebhookTarget): void => {
    // One that is gone is told when it is started again.
    if (child.connected) child.send({ webhook: target }, () => undefined);
  };
  const pid = child.pid ?? 0;
  return {
    url,
    port: Number(new URL(url).port),
    pid,
    exited,
    stop,
    sendWebhooksTo,
    kill: () => void child.kill("SIGKILL"),
  };
}

function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("message", (message: { readonly url: string }) => resolve(message.url));
  });
}
