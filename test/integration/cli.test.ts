// Goal: the command line does what it says, on a data folder that is in use, at rest, or just abandoned by kill -9.
// Method: the real commands in processes of their own.

import { spawnSync } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { identityOf } from "../../shared/platform/embedded-postgres/process-facts.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { wallClockMs } from "../../shared/platform/wall-clock.ts";
import { testFolder } from "../harness/postgres.ts";
import { type Ended, startProduct, usher } from "../harness/product.ts";

const TOMORROW_MS = wallClockMs() + 24 * 3_600_000;
const LOOK_MS = 10;
const run = (t: Test, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  usher(t, args, env).ended;

/** Every process whose command line names the folder: what a product that ended must not leave behind. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes(folder) && identityOf(Number(pid)) !== undefined) found.push(command.replaceAll("\0", " "));
  }
  return found;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleepMs(LOOK_MS, systemTimers);
}

async function catalogueFile(folder: string): Promise<string> {
  const path = join(folder, "catalogue.json");
  await writeFile(path, JSON.stringify(smallCatalogue({ startsAt: TOMORROW_MS })));
  return path;
}

t.test("what is wrong with a command line or an environment is said plainly", async (t) => {
  const cases: readonly (readonly [readonly string[], Record<string, string>, number, RegExp])[] = [
    [["sell"], {}, 64, /no command "sell"/],
    [["start", "--porte", "1"], {}, 64, /Unknown option '--porte'/],
    [["import", "/nowhere.json"], {}, 1, /cannot be read/],
    [["start"], { HOLD_TTL_S: "0", LOG_LEVEL: "loud" }, 78, /^HOLD_TTL_S must.*\nLOG_LEVEL must/],
  ];
  const ends = await Promise.all(cases.map(([args, env]) => run(t, args, env)));
  for (const [index, [args, , code, message]] of cases.entries()) {
    t.equal(ends[index]?.code, code, args.join(" "));
    t.match(ends[index]?.stderr, message, args.join(" "));
    t.notMatch(ends[index]?.stderr, /at .*\.ts:\d/, "no stack trace");
  }
  t.match(await run(t, ["start", "--help"]), { code: 0, stdout: /^usher start/ });
});

t.test("a taken port is found before anything is started", async (t) => {
  const dataDir = join(await testFolder(t), "data");
  const blocker = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  t.teardown(() => void blocker.close());
  const address = blocker.address();
  const port = typeof address === "object" && address !== null ? String(address.port) : "";
  t.match(await run(t, ["start", "--port", port, "--data", dataDir]), { code: 1, stderr: `Port ${port} is in use` });
  await t.rejects(stat(dataDir), { code: "ENOENT" });
});

t.test("start, import, token and audit on a running product, and Ctrl-C", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  const product = await startProduct(t, dataDir, { flags: ["--no-demo"] });
  t.equal((await stat(join(dataDir, "runtime.json"))).mode & 0o777, 0o600);

  const second = await run(t, ["start", "--port", "0", "--data", dataDir]);
  t.match(second, { code: 1, stderr: `already running as pid ${product.child.pid}` });

  const file = await catalogueFile(folder);
  t.match(await run(t, ["import", file, "--data", dataDir]), { code: 0, stdout: /shows: 1 added/ });
  t.equal((await fetch(`${product.url}/v1/shows/${smallShowId(0)}`)).status, 200);
  await writeFile(file, '{"cities": [{"city_id": 7}]}');
  t.match(await run(t, ["import", file, "--data", dataDir]), { code: 1, stderr: /city_id/ });

  const token = (await run(t, ["token", "--scope", "admin", "--data", dataDir])).stdout.trim().split("\n").at(-1);
  const log = `${product.url}/v1/admin/shows/${smallShowId(0)}/log`;
  t.equal((await fetch(log, { headers: { Authorization: `Bearer ${token}` } })).status, 200);
  t.equal((await fetch(log)).status, 401);
  t.match(await run(t, ["audit", "--data", dataDir]), {
    code: 0,
    stdout: /payments: 0 intents: balanced\n.*all as the log says/,
  });

  product.child.kill("SIGINT");
  t.match(await product.ended, { code: 0, signal: null });
  t.same(await processesOf(folder), []);
  await t.rejects(stat(join(dataDir, "runtime.json")), { code: "ENOENT" });
});

t.test("a folder without data stays without: audit and token say so", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  for (const args of [["audit"], ["token", "--scope", "admin"]]) {
    const ended = await run(t, [...args, "--data", dataDir]);
    t.match(ended, { code: 1, stderr: `There is no Usher data in ${dataDir}` }, args.join(" "));
    t.notMatch(ended.stderr, /at .*\.ts:\d/, "no stack trace");
  }
  t.same(await readdir(folder), []);
});

t.test("its reader goes away: the product goes on; the terminal goes away: it stops in good order", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  const { child, ended } = usher(t, ["start", "--port", "0", "--data", dataDir, "--no-demo"], { LOG_LEVEL: "info" });
  child.stdout?.destroy();
  child.stderr?.destroy();
  let url: string | undefined;
  await until(async () => {
    const runtime = JSON.parse(await readFile(join(dataDir, "runtime.json"), "utf8").catch(() => "{}"));
    url = runtime.url;
    return url !== undefined || child.exitCode !== null;
  });
  for (let n = 0; n < 20; n += 1) {
    const answer = await fetch(`${url}/healthz`).catch(() => undefined);
    t.equal(answer?.status, 200);
  }
  const { payments_url: payments } = JSON.parse(await readFile(join(dataDir, "runtime.json"), "utf8"));
  t.equal((await fetch(`${payments}/sim/health`)).status, 200, "the simulator can be found");
  child.kill("SIGHUP");
  t.match(await ended, { code: 0, signal: null });
  t.same(await processesOf(folder), []);
});

t.test("commands on a folder at rest leave it at rest", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  const file = await catalogueFile(folder);
  t.match(await run(t, ["import", file, "--data", dataDir]), { code: 0, stdout: /shows: 1 added/ });
  const ends = await Promise.all([
    run(t, ["token", "--scope", "gate", "--data", dataDir]),
    run(t, ["token", "--scope", "admin,gate", "--data", dataDir]),
    run(t, ["audit", "--data", dataDir]),
  ]);
  t.same(
    ends.map(({ code }) => code),
    [0, 0, 0],
    "they take turns on the folder",
  );
  t.same(await processesOf(folder), []);
});

t.test("after kill -9: the simulator is gone with its parent, and a start carries on", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  const file = await catalogueFile(folder);
  const first = await startProduct(t, dataDir, { flags: ["--no-demo"] });
  t.equal((await run(t, ["import", file, "--data", dataDir])).code, 0);
  first.child.kill("SIGKILL");
  await first.ended;
  await until(async () => !(await processesOf(folder)).some((command) => command.includes("payment-simulator")));
  const second = await startProduct(t, dataDir);
  t.equal((await fetch(`${second.url}/v1/shows/${smallShowId(0)}`)).status, 200);
  second.child.kill("SIGTERM");
  t.match(await second.ended, { code: 0 });
  t.same(await processesOf(folder), []);
});

t.test("Ctrl-C in the middle of the start leaves nothing behind", async (t) => {
  const folder = await testFolder(t);
  const dataDir = join(folder, "data");
  const command = usher(t, ["start", "--port", "0", "--data", dataDir, "--no-demo"]);
  await until(async () => (await processesOf(dataDir)).length > 1 || command.child.exitCode !== null);
  command.child.kill("SIGINT");
  t.match(await command.ended, { code: 0 });
  t.same(await processesOf(folder), []);
});

t.test("runs as an ordinary user below a 0700 home", { skip: process.getuid?.() !== 0 }, async (t) => {
  const folder = await testFolder(t);
  const nobody = 65_534;
  spawnSync("chown", [String(nobody), folder]);
  const args = ["--reuid", String(nobody), "--regid", String(nobody), "--clear-groups", process.execPath];
  const probe = spawnSync("setpriv", [...args, "-e", "0"]);
  if (probe.status !== 0) return t.comment("setpriv is not here");
  const file = await catalogueFile(folder);
  const command = [...args, "--import", "tsx", "cli/main.ts", "import", file, "--data", join(folder, "data")];
  const result = spawnSync("setpriv", command, {
    encoding: "utf8",
    env: { PATH: process.env.PATH, TMPDIR: folder },
  });
  t.equal(result.status, 0, result.stderr);
  t.match(result.stdout, /shows: 1 added/);
});
