// A native server that a test may kill, freeze and start again at the same port and on the same folder.
// T1: what a test file started is stopped and removed when it ends, also when it fails.
// T2: a file that was killed cannot clean up: the next one does, by the pid in the folder's name.

import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityOf } from "../../shared/platform/embedded-postgres/process-facts.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { clearLeftovers } from "../../shared/platform/native-server/leftover.ts";
import type { NativeServer, NativeServerOptions } from "../../shared/platform/native-server.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { TestScope } from "./postgres.ts";

export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now. */
  readonly pid: number;
  readonly dataDir: string;
  /** In good order. Nothing listens at its port until `start`. */
  stop(): Promise<void>;
  /** As `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
  /** At the same port, with the same data. */
  start(): Promise<void>;
  /** Stops it in its tracks: it still takes connections, and answers nothing. */
  freeze(): void;
  thaw(): void;
}

/** Stopped, and its folder removed, when the test ends, also when it fails. */
export async function startTestServer(
  t: TestScope,
  startServer: (options: NativeServerOptions) => Promise<NativeServer>,
): Promise<TestServer> {
  const dataDir = await nativeFolder(t);
  let current: NativeServer | undefined;
  t.teardown(async () => current?.stop());
  current = await startServer({ dataDir, log: silentLog() });
  const { url, port } = current;
  const running = (): NativeServer => {
    if (current === undefined) throw new Error("the server was never started");
    return current;
  };
  const signal = (name: NodeJS.Signals): boolean => process.kill(running().pid, name);
  return {
    url,
    port,
    dataDir,
    get pid() {
      return running().pid;
    },
    stop: () => running().stop(),
    async kill() {
      signal("SIGKILL");
      await running().exited;
      // Gives the folder back.
      await running().stop();
    },
    async start() {
      current = await startServer({ dataDir, port, log: silentLog() });
    },
    freeze: () => void signal("SIGSTOP"),
    thaw: () => void signal("SIGCONT"),
  };
}

/** An empty folder; after the test whatever server still stands in it is ended, and it is removed. */
export async function nativeFolder(t: TestScope): Promise<string> {
  const base = join(tmpdir(), `usher-test-native-${process.getuid?.() ?? 0}`);
  await mkdir(base, { recursive: true, mode: 0o700 });
  for (const name of await readdir(base)) {
    const pid = Number(/^run-(\d+)-/.exec(name)?.[1]);
    if (pid > 0 && identityOf(pid) === undefined) await removeFolder(join(base, name));
  }
  const folder = await mkdtemp(join(base, `run-${process.pid}-`));
  t.teardown(() => removeFolder(folder));
  return folder;
}

async function removeFolder(folder: string): Promise<void> {
  for (const program of ["nats-server", "redis-server"]) {
    await clearLeftovers(join(folder, "server"), program, systemTimers, silentLog());
  }
  await rm(folder, { recursive: true, force: true });
}
