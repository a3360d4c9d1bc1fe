// Where a server program of this machine is: on the PATH or where systems keep servers; else it is installed.
// P1: who starts Usher may not have the `sbin` folders on the PATH; servers live there all the same.
// P2: installing is for root on Debian and its kin (apt-get) and for macOS (brew); anybody else is told what to do.

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { StartFault } from "../start-fault.ts";

const SERVER_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"];
const RUN_MAX_MS = 300_000;
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024;
const SAID_MAX_CHARACTERS = 300;

export interface ServerProgram {
  readonly program: string;
  /** Package names. */
  readonly apt: string;
  readonly brew: string;
  /** The setting that makes a server of our own unnecessary. */
  readonly setting: string;
}

export const NATS_PROGRAM: ServerProgram = {
  program: "nats-server",
  apt: "nats-server",
  brew: "nats-server",
  setting: "NATS_URL",
};
export const REDIS_PROGRAM: ServerProgram = {
  program: "redis-server",
  apt: "redis-server",
  brew: "redis",
  setting: "REDIS_URL",
};

export interface Ran {
  readonly ok: boolean;
  /** Both streams, as they came. */
  readonly said: string;
}

/** The machine as this file sees it. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  /** The full path of a program. */
  find(program: string): Promise<string | undefined>;
  run(program: string, args: readonly string[]): Promise<Ran>;
}

export const thisMachine = (): Machine => ({
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  find: findOnPath,
  run: runProgram,
});

/** The full path of the program. Throws the StartFault `server_missing`, which says how to install it. */
export async function findProgram(wanted: ServerProgram, log: Log, machine = thisMachine()): Promise<string> {
  const found = await machine.find(wanted.program);
  if (found !== undefined) return found;
  const failure = await install(wanted, log, machine);
  const installed = await machine.find(wanted.program);
  if (installed !== undefined) return installed;
  throw new StartFault("server_missing", missing(wanted, machine, failure));
}

/** Why it could not be installed; `undefined` when it was, or when nobody tried. */
async function install(wanted: ServerProgram, log: Log, machine: Machine): Promise<string | undefined> {
  if (machine.platform === "darwin" && (await machine.find("brew")) !== undefined) {
    log.warn({ program: wanted.program }, "installing it with brew");
    return failureOf(await machine.run("brew", ["install", wanted.brew]));
  }
  if (!machine.isRoot || (await machine.find("apt-get")) === undefined) return undefined;
  log.warn({ program: wanted.program }, "installing it with apt-get");
  const packages = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", wanted.apt];
  const first = await machine.run("apt-get", packages);
  if (first.ok) return undefined;
  // A fresh container has no package lists at all, an old one has stale ones; both look like this.
  const lists = await machine.run("apt-get", ["update"]);
  return failureOf(await machine.run("apt-get", packages)) ?? failureOf(lists);
}

function failureOf({ ok, said }: Ran): string | undefined {
  if (ok) return undefined;
  const lines = said.trim().split("\n");
  const telling = lines.find((line) => /^(E:|Error)/.test(line)) ?? lines.at(-1) ?? "";
  return telling.slice(0, SAID_MAX_CHARACTERS) || "it ended without a word";
}

function missing({ program, apt, brew, setting }: ServerProgram, machine: Machine, failure: string | undefined) {
  const way =
    machine.platform === "darwin"
      ? `install it with \`brew install ${brew}\``
      : `install it (on Debian or Ubuntu \`apt-get install ${apt}\` as root)`;
  const tried = failure === undefined ? "" : `, and installing it failed (${failure})`;
  return `${program} is not on this machine${tried}: ${way}, or name a server with ${setting}.`;
}

async function findOnPath(program: string): Promise<string | undefined> {
  // The shell has the PATH; this room does not look at the environment.
  const { ok, said } = await runProgram("sh", ["-c", 'command -v "$1"', "sh", program]);
  const onPath = said.trim();
  for (const file of [
    ...(ok && onPath.startsWith("/") ? [onPath] : []),
    ...SERVER_FOLDERS.map((f) => join(f, program)),
  ]) {
    const isProgram = await access(file, constants.X_OK).then(
      async () => (await stat(file)).isFile(),
      () => false,
    );
    if (isProgram) return file;
  }
  return undefined;
}

/** Without questions, and without starting the service that comes with a package. */
function runProgram(program: string, args: readonly string[]): Promise<Ran> {
  const quiet = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "HOMEBREW_NO_AUTO_UPDATE=1"];
  return new Promise((resolve) => {
    const options = { timeout: RUN_MAX_MS, maxBuffer: OUTPUT_MAX_BYTES };
    execFile("env", [...quiet, program, ...args], options, (error, stdout, stderr) => {
      resolve({ ok: error === null, said: `${stdout}${stderr}` || (error?.message ?? "") });
    });
  });
}
