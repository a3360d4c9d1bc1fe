// Goal: a folder's server can always be started again, whatever happened to the process that used it, there are never
// two, and nobody else's process is touched. Method: the real programs, and real parents killed with SIGKILL.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { connect, type NatsConnection } from "nats";
import t, { type Test } from "tap";
import { identityOf } from "../../shared/platform/embedded-postgres/process-facts.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { serversIn } from "../../shared/platform/native-server/leftover.ts";
import { type NativeServer, startNatsServer, startRedisServer } from "../../shared/platform/native-server.ts";
import { nativeFolder } from "../harness/native-server.ts";
import { startTestNats } from "../harness/nats.ts";
import { startTestRedis } from "../harness/redis.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const log = silentLog();

async function nats(t: Test, url: string): Promise<NatsConnection> {
  const { host, username, password } = new URL(url);
  const connection = await connect({ servers: host, user: username, pass: password, reconnect: false });
  t.teardown(() => connection.close());
  return connection;
}

function redis(t: Test, url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on("error", () => undefined);
  t.teardown(() => client.disconnect());
  return client;
}

const stopped = (t: Test, server: NativeServer): NativeServer => {
  t.teardown(() => server.stop());
  return server;
};

interface ParentAnswer {
  readonly url?: string;
  readonly pid?: number;
  readonly code?: string;
  readonly message?: string;
}

async function parentOf(t: Test, kind: "nats" | "redis", dataDir: string) {
  const args = ["--import", "tsx", "test/harness/native-parent.ts", kind, dataDir];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => void child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, answer: JSON.parse(line) as ParentAnswer };
  }
  throw new Error("the parent said nothing");
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

t.test("NATS: ready when it says so, keeps its streams, asks for its password", async (t) => {
  const server = await startTestNats(t);
  const first = await nats(t, server.url);
  const jsm = await first.jetstreamManager();
  await jsm.streams.add({ name: "CRUMBS", subjects: ["crumbs"] });
  await first.jetstream().publish("crumbs", "seven");
  await server.kill();
  await server.start();
  const second = await nats(t, server.url);
  const found = await (await second.jetstreamManager()).streams.getMessage("CRUMBS", { last_by_subj: "crumbs" });
  t.equal(found.string(), "seven", "also after kill -9, at the same address");
  const wrong = new URL(server.url);
  wrong.password = "wrong";
  await t.rejects(nats(t, wrong.href), { code: "AUTHORIZATION_VIOLATION" });
  t.equal((await stat(join(server.dataDir, "password"))).mode & 0o777, 0o600);
  t.equal((await stat(join(server.dataDir, "server", "nats.conf"))).mode & 0o777, 0o600);
});

t.test("Redis: forgets by default, keeps what it was told to keep", async (t) => {
  const [plain, keeper] = await Promise.all([startTestRedis(t), startTestRedis(t, { isPersistent: true })]);
  t.not(plain.port, keeper.port, "two at once");
  for (const server of [plain, keeper]) {
    await redis(t, server.url).set("crumbs", "seven");
    await server.stop();
    await server.start();
  }
  t.equal(await redis(t, plain.url).get("crumbs"), null);
  t.equal(await redis(t, keeper.url).get("crumbs"), "seven");
  const wrong = new URL(plain.url);
  wrong.password = "";
  await t.rejects(redis(t, wrong.href).get("crumbs"), { message: /NOAUTH/ });
});

for (const [kind, start] of [
  ["nats", startNatsServer],
  ["redis", startRedisServer],
] as const) {
  t.test(`${kind}: after kill -9 of its parent the orphan is ended`, async (t) => {
    const dataDir = await nativeFolder(t);
    const { child, answer } = await parentOf(t, kind, dataDir);
    await killed(child);
    t.not(identityOf(answer.pid ?? 0), undefined, "the server outlives its parent");
    const server = stopped(t, await start({ dataDir, log }));
    t.equal(identityOf(answer.pid ?? 0), undefined, "the orphan is gone");
    t.same(serversIn(await realpath(join(dataDir, "server")), `${kind}-server`), [server.pid]);
    t.equal(new URL(server.url).password, new URL(answer.url ?? "").password);
  });

  t.test(`${kind}: an orphan that was stopped in its tracks is ended too`, async (t) => {
    const dataDir = await nativeFolder(t);
    const { child, answer } = await parentOf(t, kind, dataDir);
    process.kill(answer.pid ?? 0, "SIGSTOP");
    await killed(child);
    stopped(t, await start({ dataDir, log }));
    t.equal(identityOf(answer.pid ?? 0), undefined);
  });

  t.test(`${kind}: says plainly what is wrong, and gives the folder back`, async (t) => {
    const dataDir = await nativeFolder(t);
    const blocker = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    t.teardown(() => void blocker.close());
    const address = blocker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await t.rejects(start({ dataDir, port, log }), { code: "port_taken", message: String(port) });
    const server = stopped(t, await start({ dataDir, log }));
    await t.rejects(start({ dataDir, log }), { code: "already_running" }, "not twice in one process");
    t.match((await parentOf(t, kind, dataDir)).answer, { code: "already_running" }, "nor in another one");
    process.kill(server.pid, "SIGKILL");
    t.match(await server.exited, { signal: "SIGKILL" }, "its death is noticed");
    await server.stop();
    await writeFile(join(dataDir, "password"), "");
    await t.rejects(start({ dataDir, log }), { code: "password_broken" });
  });
}

t.test("many at once on a folder that a killed parent left: one of them takes over", async (t) => {
  const dataDir = await nativeFolder(t);
  await killed((await parentOf(t, "redis", dataDir)).child);
  const parents = await Promise.all(Array.from({ length: 3 }, () => parentOf(t, "redis", dataDir)));
  t.equal(parents.flatMap(({ answer }) => answer.pid ?? []).length, 1);
  t.same(new Set(parents.flatMap(({ answer }) => answer.code ?? [])), new Set(["already_running"]));
});

t.test("nobody else's process is touched, even one that stands in the folder", async (t) => {
  const dataDir = await nativeFolder(t);
  const workDir = join(dataDir, "server");
  await mkdir(workDir);
  const stranger = spawn("sleep", ["60"], { cwd: workDir, stdio: "ignore" });
  t.teardown(() => void stranger.kill("SIGKILL"));
  const other = await startTestNats(t);
  stopped(t, await startNatsServer({ dataDir, log }));
  t.not(identityOf(stranger.pid ?? 0), undefined);
  t.not(identityOf(other.pid), undefined, "nor the server of another folder");
});

t.test("a program that does not start says why", async (t) => {
  const dataDir = await nativeFolder(t);
  // Its data cannot be there.
  await mkdir(join(dataDir, "server"));
  await writeFile(join(dataDir, "server", "jetstream"), "a file");
  await t.rejects(startNatsServer({ dataDir, log }), { code: "server_start", message: /NATS did not start .*\.log/s });
  t.match(await readFile(join(dataDir, "server.log"), "utf8"), /jetstream/i);
  t.same(serversIn(await realpath(join(dataDir, "server")), "nats-server"), []);
});
