import { EventEmitter } from "node:events";
import t from "tap";
import { silentLog } from "./log.ts";
import { Shutdown } from "./shutdown.ts";
import type { TimerHandle, Timers } from "./timers.ts";

/** Timers that fire when told. */
function handTimers() {
  const waiting = new Map<TimerHandle, { readonly callback: () => void; readonly delayMs: number }>();
  const add = (callback: () => void, delayMs = 0): TimerHandle => {
    const handle = {};
    waiting.set(handle, { callback, delayMs });
    return handle;
  };
  const remove = (handle: TimerHandle | undefined) => void (handle !== undefined && waiting.delete(handle));
  const timers: Timers = { setTimeout: add, clearTimeout: remove, setImmediate: add, clearImmediate: remove };
  const fire = (upToMs = Number.POSITIVE_INFINITY) => {
    for (const { callback, delayMs } of [...waiting.values()]) if (delayMs <= upToMs) callback();
  };
  return { timers, fire };
}

function setUp() {
  const exits: number[] = [];
  const host = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  const { timers, fire } = handTimers();
  const shutdown = new Shutdown({ log: silentLog(), timers, host: host as never });
  return { exits, host, shutdown, fire };
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  t.test(`${signal} asks`, async (t) => {
    const { host, shutdown } = setUp();
    t.ok(host.emit(signal, signal), "it does not end the process by itself");
    t.equal(await shutdown.requested, signal);
    await shutdown.run();
    t.equal(host.listenerCount(signal), 0);
  });
}

t.test("a signal asks, run stops the last started first and lets go of the signals", async (t) => {
  const { host, shutdown, exits } = setUp();
  const order: string[] = [];
  for (const name of ["postgres", "allocator", "gateway"]) {
    shutdown.add({ name, stop: async () => void order.push(name) });
  }
  host.emit("SIGTERM", "SIGTERM");
  t.equal(await shutdown.requested, "SIGTERM");
  t.ok(shutdown.signal.aborted);
  t.same(order, [], "nothing is stopped before whoever started it says so");
  await shutdown.run();
  t.same(order, ["gateway", "allocator", "postgres"]);
  t.same(exits, []);
  t.equal(host.listenerCount("SIGINT") + host.listenerCount("SIGTERM"), 0);
});

t.test("a part that hangs is forced, one that fails too, and the others are still stopped", async (t) => {
  const { shutdown, fire } = setUp();
  const order: string[] = [];
  shutdown.add({ name: "postgres", stop: async () => void order.push("postgres") });
  shutdown.add({
    name: "hangs",
    stop: () => new Promise(() => undefined),
    force: () => void order.push("forced hangs"),
  });
  shutdown.add({
    name: "fails",
    stop: () => Promise.reject(new Error("no")),
    force: () => void order.push("forced fails"),
  });
  const ended = shutdown.run();
  while (!order.includes("forced fails")) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  fire();
  await ended;
  t.same(order, ["forced fails", "forced hangs", "postgres"]);
});

t.test("a second signal forces what is left, also the part being stopped, and exits", async (t) => {
  const { host, shutdown, exits, fire } = setUp();
  const forced: string[] = [];
  shutdown.add({ name: "postgres", stop: async () => undefined, force: () => void forced.push("postgres") });
  shutdown.add({ name: "drain", stop: () => new Promise(() => undefined), force: () => void forced.push("drain") });
  host.emit("SIGINT", "SIGINT");
  void shutdown.run();
  host.emit("SIGINT", "SIGINT");
  t.same(forced, [], "the same Ctrl-C by another way");
  fire(1_000);
  host.emit("SIGINT", "SIGINT");
  t.same(forced, ["postgres", "drain"]);
  t.same(exits, [1]);
});
