import t from "tap";
import { silentLog } from "../shared/platform/log.ts";
import type { Timers } from "../shared/platform/timers.ts";
import { Supervised } from "./supervised.ts";

/** A child that ends when told. */
function child(port: number) {
  let end: () => void = () => undefined;
  const exited = new Promise<void>((resolve) => {
    end = resolve;
  });
  const part = {
    port,
    exited,
    stops: 0,
    end: () => end(),
    stop: async () => {
      part.stops += 1;
      end();
    },
  };
  return part;
}

const now: Timers = {
  setTimeout: (callback) => setImmediate(callback),
  clearTimeout: (handle) => clearImmediate(handle as NodeJS.Immediate),
  setImmediate: (callback) => setImmediate(callback),
  clearImmediate: () => undefined,
};

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

t.test("a part that dies is started again where it was, also when that needs several attempts", async (t) => {
  const parts: ReturnType<typeof child>[] = [];
  let refusals = 2;
  const supervised = await Supervised.start({
    name: "part",
    start: async (previous: ReturnType<typeof child> | undefined) => {
      if (previous !== undefined && refusals-- > 0) throw new Error("not yet");
      const part = child(previous?.port ?? 7);
      parts.push(part);
      return part;
    },
    timers: now,
    log: silentLog(),
  });
  parts[0]?.end();
  await until(() => parts.length === 2);
  t.equal(parts[0]?.stops, 1, "the dead one gave its folder back");
  await until(() => supervised.current === parts[1]);
  t.equal(supervised.current.port, 7);
  await supervised.stop();
  t.equal(parts[1]?.stops, 1);
  t.equal(parts.length, 2, "what was stopped is not started again");
});

t.test("stops also while it cannot be started again", async (t) => {
  const first = child(7);
  let attempts = 0;
  const supervised = await Supervised.start({
    name: "part",
    start: async (previous: typeof first | undefined) => {
      if (previous === undefined) return first;
      attempts += 1;
      throw new Error("never");
    },
    timers: now,
    log: silentLog(),
  });
  first.end();
  await until(() => attempts > 3);
  await supervised.stop();
  const after = attempts;
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  t.equal(attempts, after);
});

t.test("a first start that fails is the caller's to hear of", async (t) => {
  const start = () => Promise.reject(new Error("no"));
  await t.rejects(Supervised.start({ name: "part", start, timers: now, log: silentLog() }), { message: "no" });
});
