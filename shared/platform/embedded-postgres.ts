// A real Postgres server for one data folder, as a child process: `npm start` and the tests stand on it.
// It owns the server's life, not what is in it; migrations and pools are elsewhere.
// E1: one living parent a folder (folder-lock); a server left by a dead one is stopped before another is started.
// E2: the server is a process group of its own: Ctrl-C in a terminal reaches us, and we stop it last.
// E3: it writes to a log file, not to a pipe of ours, so it outlives our death without losing a word.
// E4: it listens on 127.0.0.1 only, and asks for the folder's password.
// E5: whatever keeps it from starting is a StartFault with one plain sentence.

import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { findBinaries } from "./embedded-postgres/binaries.ts";
import { DISK_FULL, prepareCluster, SUPERUSER } from "./embedded-postgres/cluster.ts";
import { type FolderLock, lockFolder } from "./embedded-postgres/folder-lock.ts";
import { clearLeftover, FAST_STOP_MAX_MS, IMMEDIATE_STOP_MAX_MS, readPidFile } from "./embedded-postgres/leftover.ts";
import { childEnv, chooseRunAs, type RunAs } from "./embedded-postgres/run-as.ts";
import { serverArguments } from "./embedded-postgres/settings.ts";
import { makeFolder } from "./folder.ts";
import type { Log } from "./log.ts";
import { fileFault, StartFault } from "./start-fault.ts";
import { sleepMs, systemTimers, within } from "./timers.ts";

/** Replaying the log after a crash may take long; a server that is alive and says `starting` is waited for. */
const READY_MAX_MS = 300_000;
const READY_POLL_MS = 5;
const FREE_PORT_ATTEMPTS_MAX = 5;
/** Backends of a killed postmaster notice within moments; until then their memory blocks a new server. */
const SHARED_MEMORY_ATTEMPTS_MAX = 50;
const SHARED_MEMORY_WAIT_MS = 200;
const LOG_FILE_MAX_BYTES = 8 * 1024 * 1024;
const LOG_TAIL_BYTES = 4_096;

export interface EmbeddedPostgresOptions {
  /** The server's own folder; made when absent. Holds `cluster`, `password`, `server.log`. */
  readonly dataDir: string;
  /** 0 or absent: any free one. */
  readonly port?: number;
  /** On by default; off is for tests. */
  readonly fsync?: boolean;
  /** Further server settings, over the built-in ones. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log: Log;
}

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface EmbeddedPostgres {
  /** With user and password: a secret. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server is gone, asked or not. Never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Stops the server in good order and gives the folder back. May be called often. */
  stop(): Promise<void>;
}

/** Starts the server of a data folder; resolves when it takes connections. Throws a StartFault. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = await openFolder(resolve(options.dataDir));
  const lock = await lockFolder(folder).catch((error: unknown) => {
    throw error instanceof StartFault ? error : fileFault(folder, error);
  });
  try {
    return await startLocked(folder, lock, options);
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw error instanceof StartFault ? error : fileFault(folder, error);
  }
}

async function openFolder(path: string): Promise<string> {
  try {
    // Its secrets are files for their owner only; a server that runs as another user must be able to pass.
    await makeFolder(path, 0o711);
    return await realpath(path);
  } catch (error) {
    throw fileFault(path, error);
  }
}

async function startLocked(
  folder: string,
  lock: FolderLock,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  // The server's user may differ from ours; what it owns is one level down, the password stays here.
  const workDir = join(folder, "server");
  await makeFolder(workDir, 0o700);
  const clusterDir = join(workDir, "cluster");
  await clearLeftover(clusterDir, systemTimers, options.log);
  const binaries = await findBinaries(join(folder, "lib"));
  const runAs = await chooseRunAs(binaries, workDir);
  const fsync = options.fsync ?? true;
  const password = await prepareCluster(folder, workDir, runAs, fsync);
  const server = new Server(folder, clusterDir, runAs, lock);
  for (let attempt = 1; ; attempt++) {
    const port = options.port || (await freePort());
    const choice = { port, fsync, settings: options.settings ?? {} };
    const failure = await server.tryStart(serverArguments(clusterDir, choice));
    if (failure === undefined) return server.running(port, password);
    if (failure === "shared_memory" && attempt < SHARED_MEMORY_ATTEMPTS_MAX) {
      await sleepMs(SHARED_MEMORY_WAIT_MS, systemTimers);
    } else if (failure !== "port_taken" || options.port || attempt >= FREE_PORT_ATTEMPTS_MAX) {
      throw await server.faultFor(failure, port);
    }
  }
}

type StartFailure = "port_taken" | "shared_memory" | "not_ready" | "exited" | "not_spawned";

class Server {
  readonly #folder: string;
  readonly #clusterDir: string;
  readonly #runAs: RunAs;
  readonly #lock: FolderLock;
  #child: ChildProcess | undefined;
  #exited: Promise<ServerExit> = Promise.resolve({ code: null, signal: null });
  #spawnError: Error | undefined;
  #logStart = 0;
  #stopping: Promise<void> | undefined;

  constructor(folder: string, clusterDir: string, runAs: RunAs, lock: FolderLock) {
    this.#folder = folder;
    this.#clusterDir = clusterDir;
    this.#runAs = runAs;
    this.#lock = lock;
  }

  /** `undefined` when the server is ready; else it is gone again. */
  async tryStart(args: readonly string[]): Promise<StartFailure | undefined> {
    await this.#spawn(args);
    const pid = this.#child?.pid;
    if (pid === undefined) return "not_spawned";
    let hasExited = false;
    void this.#exited.then(() => {
      hasExited = true;
    });
    for (let waitedMs = 0; waitedMs < READY_MAX_MS && !hasExited; waitedMs += READY_POLL_MS) {
      const found = await readPidFile(this.#clusterDir);
      if (found?.pid === pid && found.isReady) return undefined;
      await sleepMs(READY_POLL_MS, systemTimers);
    }
    if (!hasExited) {
      await this.#end();
      return "not_ready";
    }
    const said = await this.#said();
    if (/Address already in use|could not create any TCP\/IP sockets/.test(said)) return "port_taken";
    return said.includes("pre-existing shared memory block") ? "shared_memory" : "exited";
  }

  running(port: number, password: string): EmbeddedPostgres {
    const pid = this.#child?.pid ?? 0;
    return {
      url: `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
      port,
      pid,
      exited: this.#exited,
      stop: () => {
        this.#stopping ??= this.#end().finally(() => this.#lock.release());
        return this.#stopping;
      },
    };
  }

  async faultFor(failure: StartFailure, port: number): Promise<StartFault> {
    if (failure === "port_taken") {
      return new StartFault("port_taken", `Postgres cannot listen on 127.0.0.1:${port}: the port is taken.`);
    }
    const said = await this.#said();
    if (DISK_FULL.test(said)) return fileFault(this.#folder, { code: "ENOSPC" });
    if (/Permission denied/.test(said)) return fileFault(this.#folder, { code: "EACCES" });
    const last = said.trim().split("\n").slice(-3).join(" ") || this.#spawnError?.message || failure;
    const logFile = join(this.#folder, "server.log");
    return new StartFault("server_start", `Postgres did not start (${last}); its log is ${logFile}.`, this.#spawnError);
  }

  async #spawn(args: readonly string[]): Promise<void> {
    const path = join(this.#folder, "server.log");
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    this.#logStart = size > LOG_FILE_MAX_BYTES ? 0 : size;
    const file = await open(path, this.#logStart === 0 ? "w" : "a", 0o600);
    try {
      const { command, args: all } = this.#runAs.commandFor(this.#runAs.binaries.postgres, args);
      const child = spawn(command, all, {
        cwd: "/",
        env: childEnv(this.#runAs.binaries),
        stdio: ["ignore", file.fd, file.fd],
        detached: true,
        ...this.#runAs.user,
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
    for (const [signal, boundMs] of [
      ["SIGINT", FAST_STOP_MAX_MS],
      ["SIGQUIT", IMMEDIATE_STOP_MAX_MS],
    ] as const) {
      this.#child?.kill(signal);
      const gone = this.#exited.then(() => true);
      if (await within(gone, boundMs, () => false, systemTimers)) return;
    }
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
