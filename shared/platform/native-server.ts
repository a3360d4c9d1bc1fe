// A real nats-server or redis-server for one folder, as a child process: for developers' machines and for the tests.
// It owns the server's life. Where the program comes from is native-server/find-program.ts.
// N1: one living parent a folder (folder-lock); a server left by a dead one is ended before another is started.
// N2: the server is a process group of its own: Ctrl-C in a terminal reaches us, and we stop it.
// N3: it listens on 127.0.0.1 only, asks for the folder's password, and writes to a log file, not to a pipe of ours.
// N4: ready means that this very process answered, not another one that took the port meanwhile.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { type FolderLock, lockFolder } from "./embedded-postgres/folder-lock.ts";
import { makeFolder } from "./folder.ts";
import type { Log } from "./log.ts";
import { findProgram } from "./native-server/find-program.ts";
import type { Flavour } from "./native-server/flavour.ts";
import { clearLeftovers } from "./native-server/leftover.ts";
import { NATS } from "./native-server/nats-flavour.ts";
import { REDIS } from "./native-server/redis-flavour.ts";
import { fileFault, StartFault, systemCodeOf } from "./start-fault.ts";
import { sleepMs, systemTimers, within } from "./timers.ts";

const READY_MAX_MS = 60_000;
const READY_POLL_MS = 10;
const FREE_PORT_ATTEMPTS_MAX = 5;
const TERM_MAX_MS = 10_000;
const LOG_FILE_MAX_BYTES = 8 * 1024 * 1024;
const LOG_TAIL_BYTES = 4_096;
const PASSWORD_BYTES = 18;

export interface NativeServerOptions {
  /** The server's own folder; made when absent. Holds `server` (its data and configuration), `password`, `server.log`. */
  readonly dataDir: string;
  /** 0 or absent: any free one. */
  readonly port?: number;
  readonly log: Log;
}

export interface RedisServerOptions extends NativeServerOptions {
  /** Off by default: what is in it can always be refilled. */
  readonly isPersistent?: boolean;
}

export interface NativeServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NativeServer {
  /** With the password: a secret. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server is gone, asked or not. Never rejects. */
  readonly exited: Promise<NativeServerExit>;
  /** SIGTERM, then SIGKILL; then the folder is given back. May be called often. */
  stop(): Promise<void>;
}

/** With JetStream, its streams in the folder. Resolves when it takes connections. Throws a StartFault. */
export const startNatsServer = (options: NativeServerOptions): Promise<NativeServer> => start(NATS, options);

/** Throws a StartFault. */
export const startRedisServer = ({ isPersistent = false, ...options }: RedisServerOptions): Promise<NativeServer> =>
  start(REDIS(isPersistent), options);

async function start(flavour: Flavour, options: NativeServerOptions): Promise<NativeServer> {
  const folder = resolve(options.dataDir);
  const fault = (error: unknown): StartFault => (error instanceof StartFault ? error : fileFault(folder, error));
  await makeFolder(folder, 0o700).catch((error: unknown) => {
    throw fault(error);
  });
  const path = await realpath(folder);
  const lock = await lockFolder(path).catch((error: unknown) => {
    throw fault(error);
  });
  try {
    return await startLocked(flavour, path, lock, options);
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw fault(error);
  }
}

async function startLocked(
  flavour: Flavour,
  folder: string,
  lock: FolderLock,
  options: NativeServerOptions,
): Promise<NativeServer> {
  const { log } = options;
  const program = await findProgram(flavour.program, log);
  const workDir = join(folder, "server");
  await makeFolder(workDir, 0o700);
  await clearLeftovers(workDir, flavour.program.program, systemTimers, log);
  const password = await passwordOf(folder);
  for (let attempt = 1; ; attempt++) {
    const port = options.port || (await freePort());
    const server = new Server(flavour, folder, lock);
    const failure = await server.tryStart(program, port, password);
    if (failure === undefined) return server.running(port, password);
    if (failure.kind === "port_taken" && !options.port && attempt < FREE_PORT_ATTEMPTS_MAX) continue;
    throw failure.kind === "port_taken"
      ? new StartFault("port_taken", `${flavour.name} cannot listen on 127.0.0.1:${port}: the port is taken.`)
      : new StartFault(
          "server_start",
          `${flavour.name} did not start (${failure.said}); its log is ${join(folder, "server.log")}.`,
        );
  }
}

/** The same at every start, so that who knows the address goes on knowing it. */
async function passwordOf(folder: string): Promise<string> {
  const path = join(folder, "password");
  try {
    await writeFile(path, randomBytes(PASSWORD_BYTES).toString("hex"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST") throw error;
  }
  const password = await readFile(path, "utf8");
  if (/^[0-9a-f]{16,}$/.test(password)) return password;
  throw new StartFault("password_broken", `${path} holds no password any more; remove it and try again.`);
}

interface StartFailure {
  readonly kind: "port_taken" | "other";
  readonly said: string;
}

class Server {
  readonly #flavour: Flavour;
  readonly #folder: string;
  readonly #lock: FolderLock;
  #child: ChildProcess | undefined;
  #exited: Promise<NativeServerExit> = Promise.resolve({ code: null, signal: null });
  #spawnError: Error | undefined;
  #logStart = 0;
  #stopping: Promise<void> | undefined;

  constructor(flavour: Flavour, folder: string, lock: FolderLock) {
    this.#flavour = flavour;
    this.#folder = folder;
    this.#lock = lock;
  }

  /** `undefined` when the server is ready; else it is gone again. */
  async tryStart(program: string, port: number, password: string): Promise<StartFailure | undefined> {
    const workDir = join(this.#folder, "server");
    const name = `usher-${randomBytes(6).toString("hex")}`;
    const configFile = join(workDir, this.#flavour.configName);
    const config = this.#flavour.config({ workDir, port, password, name });
    await writeFile(configFile, config, { mode: 0o600 });
    await this.#spawn(program, this.#flavour.arguments(configFile), workDir);
    const { pid } = this.#child ?? {};
    if (pid === undefined) return { kind: "other", said: this.#spawnError?.message ?? "" };
    let hasExited = false;
    void this.#exited.then(() => {
      hasExited = true;
    });
    for (let waitedMs = 0; waitedMs < READY_MAX_MS && !hasExited; waitedMs += READY_POLL_MS) {
      if (await this.#flavour.isReady({ port, password, name, pid })) return undefined;
      await sleepMs(READY_POLL_MS, systemTimers);
    }
    await this.#end();
    const said = await this.#said();
    const kind = /address already in use/i.test(said) ? "port_taken" : "other";
    return { kind, said: said.trim().split("\n").slice(-3).join(" ") || "it said nothing" };
  }

  running(port: number, password: string): NativeServer {
    return {
      url: this.#flavour.url(port, password),
      port,
      pid: this.#child?.pid ?? 0,
      exited: this.#exited,
      stop: () => {
        this.#stopping ??= this.#end().finally(() => this.#lock.release());
        return this.#stopping;
      },
    };
  }

  async #spawn(program: string, args: readonly string[], workDir: string): Promise<void> {
    const path = join(this.#folder, "server.log");
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    this.#logStart = size > LOG_FILE_MAX_BYTES ? 0 : size;
    const file = await open(path, this.#logStart === 0 ? "w" : "a", 0o600);
    try {
      const child = spawn(program, args, {
        cwd: workDir,
        env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TZ: "UTC" },
        stdio: ["ignore", file.fd, file.fd],
        detached: true,
      });
      this.#child = child;
      this.#exited = new Promise((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
        child.once("error", (error) => {
          this.#spawnError = error;
          resolve({ code: null, signal: null });
        });
      });
    } finally {
      await file.close();
    }
  }

  async #end(): Promise<void> {
    this.#child?.kill("SIGTERM");
    // One that was stopped in its tracks hears of it only when it goes on.
    this.#child?.kill("SIGCONT");
    const gone = this.#exited.then(() => true);
    if (await within(gone, TERM_MAX_MS, () => false, systemTimers)) return;
    this.#child?.kill("SIGKILL");
    await this.#exited;
  }

  /** What the server wrote since this start, at most its last few lines. */
  async #said(): Promise<string> {
    const log = await readFile(join(this.#folder, "server.log")).catch(() => Buffer.alloc(0));
    return log.subarray(Math.max(this.#logStart, log.length - LOG_TAIL_BYTES)).toString("utf8");
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
