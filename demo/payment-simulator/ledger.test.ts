// Goal: what was answered is on disk, whatever ended the process; what was not is cut off; damage is never read over.
// Method: the file in process, the server restarted on its folder, and a real process killed with -9 under load.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { Book, type LedgerRecord } from "./book.ts";
import { LedgerFile } from "./ledger-file.ts";
import { SIMULATOR_KEY, startPaymentSimulator } from "./server.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const POLL_MS = 5;

async function folderFor(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "usher-ledger-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const send = (url: string, path: string, form: Record<string, string>, key: string): Promise<Response> =>
  fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${SIMULATOR_KEY}`, "idempotency-key": key },
    body: new URLSearchParams(form),
  });

async function pay(url: string, key: string, token = "pm_card_visa"): Promise<{ id: string; status: string }> {
  const form = { amount: "900", currency: "usd", payment_method: token, capture_method: "manual", confirm: "true" };
  const response = await send(url, "/v1/payment_intents", form, key);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; status: string };
}

interface Row {
  readonly id: string;
  readonly idempotency_key: string;
  readonly status: string;
  readonly amount_received: number;
}

async function rowsOf(url: string): Promise<Row[]> {
  return ((await (await fetch(`${url}/sim/ledger`)).json()) as { intents: Row[] }).intents;
}

async function openFile(path: string): Promise<{ file: LedgerFile; records: unknown[] }> {
  const records: unknown[] = [];
  return { file: await LedgerFile.open(path, (record) => records.push(record)), records };
}

t.test("records of one tick and of one sync are on disk together", async (t) => {
  const path = join(await folderFor(t), "ledger.jsonl");
  const { file } = await openFile(path);
  for (let n = 0; n < 1_000; n++) file.append({ n });
  const first = file.durable();
  await Promise.resolve();
  file.append({ n: 1_000 });
  await Promise.all([first, file.durable()]);
  t.equal((await readFile(path, "utf8")).split("\n").length, 1_000 + 1 + 1 + 1, "header, records, end");
  for (let n = 1_001; n < 1_050; n++) {
    file.append({ n });
    await file.durable();
  }
  await file.close();
  const again = await openFile(path);
  t.same(
    again.records,
    Array.from({ length: 1_050 }, (_, n) => ({ n })),
    "in their order",
  );
  t.equal(again.file.name, file.name);
  await again.file.close();
});

t.test("after a failed write nothing is promised any more", async (t) => {
  const { file } = await openFile(join(await folderFor(t), "ledger.jsonl"));
  await file.close();
  file.append({ n: 1 });
  await t.rejects(file.durable(), { message: "the ledger can no longer be written" });
  t.match(await file.broken, { message: "the ledger can no longer be written" });
  file.append({ n: 2 });
  await t.rejects(file.durable());
});

t.test("a torn last line is cut off, and what follows is whole", async (t) => {
  for (const torn of ['{"do":"create","id":"pi_', "\0".repeat(4096), '{"do":"cancel","id":"pi_1"}']) {
    const dataDir = await folderFor(t);
    const first = await startPaymentSimulator({ dataDir, port: 0 });
    const { id } = await pay(first.url, "k1");
    await first.close();
    await appendFile(join(dataDir, "ledger.jsonl"), torn);
    const second = await startPaymentSimulator({ dataDir, port: 0 });
    t.equal((await pay(second.url, "k1")).id, id);
    const { id: next } = await pay(second.url, "k2");
    await second.close();
    const third = await startPaymentSimulator({ dataDir, port: 0 });
    t.match(await rowsOf(third.url), [
      { id, status: "requires_capture" },
      { id: next, status: "requires_capture" },
    ]);
    await third.close();
  }
});

t.test("a ledger torn in its first line is new", async (t) => {
  const dataDir = await folderFor(t);
  await writeFile(join(dataDir, "ledger.jsonl"), '{"ledg');
  const simulator = await startPaymentSimulator({ dataDir, port: 0 });
  t.same(await rowsOf(simulator.url), []);
  await simulator.close();
});

t.test("damage elsewhere refuses to start, and says where", async (t) => {
  const create = {
    do: "create",
    id: "pi_1",
    amount: 1,
    currency: "usd",
    token: "t",
    metadata: {},
    at: 1,
    status: "processing",
  };
  const damages: Readonly<Record<string, unknown[]>> = {
    "line 2": [
      { ledger: "a", format: 1 },
      { do: "capture", id: "pi_1", amount: 1 },
    ],
    "line 3": [{ ledger: "a", format: 1 }, create, { do: "capture", id: "pi_1", amount: 1 }],
    "line 4": [{ ledger: "a", format: 1 }, create, { do: "authorise", id: "pi_1" }, { do: "dance" }],
    "line 1": [{ ledger: "a", format: 2 }],
  };
  for (const [where, lines] of Object.entries(damages)) {
    const dataDir = await folderFor(t);
    await writeFile(join(dataDir, "ledger.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await t.rejects(startPaymentSimulator({ dataDir, port: 0 }), {
      code: "ledger_damaged",
      message: new RegExp(where),
    });
  }
  const dataDir = await folderFor(t);
  await writeFile(join(dataDir, "ledger.jsonl"), '{"ledger":"a","format":1}\nnot json\n{"do":"x"}\n');
  await t.rejects(startPaymentSimulator({ dataDir, port: 0 }), { message: /line 2/ });
});

t.test("two simulators never share a folder", async (t) => {
  const dataDir = await folderFor(t);
  const first = await startPaymentSimulator({ dataDir, port: 0 });
  await t.rejects(startPaymentSimulator({ dataDir, port: 0 }), { code: "already_running" });
  await first.close();
  await (await startPaymentSimulator({ dataDir, port: 0 })).close();
});

t.test("the book refuses what does not follow", async (t) => {
  const book = new Book();
  const create: LedgerRecord = {
    do: "create",
    id: "pi_1",
    amount: 9,
    currency: "usd",
    token: "t",
    metadata: {},
    at: 1,
    status: "requires_capture",
  };
  book.apply(create);
  t.throws(() => book.apply(create), /created twice/);
  t.throws(() => book.apply({ do: "refund", id: "re_1", intent: "pi_1", amount: 1, at: 1 }), /more than it received/);
  book.apply({ do: "capture", id: "pi_1", amount: 9 });
  t.throws(() => book.apply({ do: "cancel", id: "pi_1" }), /cannot become canceled/);
  book.apply({ do: "refund", id: "re_1", intent: "pi_1", amount: 8, at: 1 });
  t.throws(() => book.apply({ do: "refund", id: "re_2", intent: "pi_1", amount: 2, at: 1 }), /more than it received/);
  t.throws(() => book.apply({ do: "refund", id: "re_2", intent: "pi_2", amount: 2, at: 1 }), /does not exist/);
});

async function child(t: Test, dataDir: string, ...args: string[]): Promise<{ process: ChildProcess; url: string }> {
  const process = fork(MAIN, ["--data", dataDir, ...args], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  t.teardown(() => process.kill("SIGKILL"));
  const [ready] = (await once(process, "message")) as [{ url: string; pid: number }];
  t.equal(ready.pid, process.pid);
  return { process, url: ready.url };
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      if (/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, "utf8").catch(() => ""))) return;
    } catch {
      return;
    }
    await pause(POLL_MS);
  }
}

t.test("kill -9 in the middle of the load: everything acknowledged is there", async (t) => {
  const dataDir = await folderFor(t);
  const { process: victim, url } = await child(t, dataDir);
  const authorised = new Map<string, string>();
  const captured = new Set<string>();
  const late = send(
    url,
    "/v1/payment_intents",
    { amount: "900", currency: "usd", payment_method: "pm_sim_late", capture_method: "manual", confirm: "true" },
    "late",
  );
  late.catch(() => undefined);
  const load = Array.from({ length: 16 }, async (_, worker) => {
    for (let n = 0; ; n++) {
      const key = `${worker}-${n}`;
      const { id } = await pay(url, key);
      authorised.set(key, id);
      if (n % 2 === 0) continue;
      const response = await send(url, `/v1/payment_intents/${id}/capture`, {}, `capture-${key}`);
      if (response.status === 200) captured.add(id);
    }
  });
  const ended = Promise.allSettled(load);
  while (captured.size < 100) await pause(POLL_MS);
  victim.kill("SIGKILL");
  await once(victim, "exit");
  await ended;

  const second = await child(t, dataDir);
  const rows = new Map((await rowsOf(second.url)).map((row) => [row.id, row]));
  t.ok(authorised.size > 100);
  t.same(
    [...authorised].filter(([key, id]) => rows.get(id)?.idempotency_key !== key),
    [],
    "every authorisation",
  );
  t.same(
    [...captured].filter((id) => rows.get(id)?.amount_received !== 900),
    [],
    "every capture",
  );
  const [key, id] = [...authorised][0] ?? ["", ""];
  t.equal((await pay(second.url, key)).id, id, "and its key still tells");
  t.match([...rows.values()].find((row) => row.idempotency_key === "late")?.status, /processing|requires_capture/);
  const done = once(second.process, "exit");
  second.process.kill("SIGTERM");
  t.same(await done, [0, null]);
});

t.test("a disk that is full: what cannot be kept is not acknowledged, and the process ends", async (t) => {
  const dataDir = await folderFor(t);
  // Blocks of 512 bytes: the ledger can grow to 64 KiB, about 300 payments.
  // tap's own preload listens to signals, and with that the limit's signal would end the process before its error.
  const limited = `unset NODE_OPTIONS; ulimit -f 128; exec "$@"`;
  const command = [process.execPath, "--import", "tsx", MAIN, "--data", dataDir];
  const victim = spawn("sh", ["-c", limited, "sh", ...command], { stdio: ["ignore", "pipe", "ignore"] });
  t.teardown(() => victim.kill("SIGKILL"));
  const ended = once(victim, "exit");
  const [line] = (await once(victim.stdout, "data")) as [Buffer];
  const { url } = JSON.parse(line.toString("utf8")) as { url: string };
  const authorised = new Set<string>();
  let refusal = "";
  const load = Array.from({ length: 8 }, async (_, worker) => {
    for (let n = 0; refusal === ""; n++) {
      const { id } = await pay(url, `${worker}-${n}`).catch((error: Error) => {
        refusal = error.message;
        return { id: undefined };
      });
      if (id !== undefined) authorised.add(id);
    }
  });
  await Promise.all(load);
  t.same(await ended, [1, null], refusal);

  const second = await startPaymentSimulator({ dataDir, port: 0 });
  const kept = new Set((await rowsOf(second.url)).map(({ id }) => id));
  t.ok(authorised.size > 100, `${authorised.size} payments`);
  t.same(
    [...authorised].filter((id) => !kept.has(id)),
    [],
  );
  await second.close();
});

t.test("a late success comes after a restart too", async (t) => {
  const dataDir = await folderFor(t);
  const first = await startPaymentSimulator({ dataDir, port: 0, lateMs: 400 });
  send(
    first.url,
    "/v1/payment_intents",
    { amount: "900", currency: "usd", payment_method: "pm_sim_late", capture_method: "manual", confirm: "true" },
    "late",
  ).catch(() => undefined);
  while ((await rowsOf(first.url)).length === 0) await pause(POLL_MS);
  await first.close();
  const second = await startPaymentSimulator({ dataDir, port: 0 });
  while ((await rowsOf(second.url))[0]?.status !== "requires_capture") await pause(POLL_MS);
  t.pass("it was authorised");
  await second.close();
});

t.test("the process ends with the parent that forked it, however that ends", async (t) => {
  const dataDir = await folderFor(t);
  const script = `
    import { fork } from "node:child_process";
    fork(${JSON.stringify(MAIN)}, ["--data", ${JSON.stringify(dataDir)}], { execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "ignore", "ipc"] })
      .on("message", (ready) => console.log(JSON.stringify(ready)));`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => parent.kill("SIGKILL"));
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const { pid } = JSON.parse(line.toString("utf8")) as { pid: number };
  parent.kill("SIGKILL");
  await gone(pid);
  t.pass("it is gone");
  await (await startPaymentSimulator({ dataDir, port: 0 })).close();
});

t.test("a predecessor that is just ending is waited for", async (t) => {
  const dataDir = await folderFor(t);
  const first = await startPaymentSimulator({ dataDir, port: 0 });
  const { id } = await pay(first.url, "k1");
  const second = child(t, dataDir);
  // It has come as far as the folder's lock when it has put its own beside it.
  while ((await readdir(dataDir)).filter((name) => name.startsWith(".lock-")).length === 0) await pause(1);
  await first.close();
  t.equal((await pay((await second).url, "k1")).id, id);
});

t.test("what it is started with wrongly is said in a sentence", async (t) => {
  for (const args of [[], ["--data"], ["--data", "x", "--port", "seventy"], ["--data", "x", "--what"]]) {
    const process = fork(MAIN, args, { execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let text = "";
    process.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    const [code] = (await once(process, "close")) as [number];
    t.equal(code, 78, args.join(" "));
    t.match(text, /^payment simulator: [^\n]+\n$/);
  }
});
