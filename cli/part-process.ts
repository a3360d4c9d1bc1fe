// A part of a cluster as a process of its own: `usher COMMAND`, in a process group of its own, so that Ctrl-C reaches
// only us and we stop the parts in order. It ends by itself when we are gone (parent.ts).

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { StartFault } from "../shared/platform/start-fault.ts";
import { systemTimers, within } from "../shared/platform/timers.ts";
import type { Environment } from "./config.ts";
import type { ReadyMessage } from "./parent.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const READY_MAX_MS = 60_000;
const SAID_LENGTH_MAX = 4_000;

export interface PartProcess {
  readonly pid: number;
  /** What it said of itself when it was ready. */
  readonly facts: ReadyMessage["ready"];
  readonly exited: Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
  kill(): void;
}

/** Rejects with a StartFault that repeats the part's last line. Its log goes where ours goes. */
export async function startPart(args: readonly string[], env: Environment): Promise<PartProcess> {
  const flags = ["--max-semi-space-size=64", "--import", import.meta.resolve("tsx")];
  const child = spawn(process.execPath, [...flags, MAIN, ...args], {
    env: { ...env },
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    said = `${said}${chunk.toString("utf8")}`.slice(-SAID_LENGTH_MAX);
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const readiness = new Promise<ReadyMessage["ready"]>((resolve) => {
    child.once("message", (message: ReadyMessage) => resolve(message.ready));
  });
  const facts = await Promise.race([
    within(readiness, READY_MAX_MS, () => undefined, systemTimers),
    exited.then(() => undefined),
  ]);
  if (facts === undefined || child.pid === undefined) {
    child.kill("SIGKILL");
    throw new StartFault("part", `"usher ${args.join(" ")}" did not start: ${said.trim().split("\n").at(-1) ?? ""}`);
  }
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  return { pid: child.pid, facts, exited, stop, kill: () => void child.kill("SIGKILL") };
}
