// `npm run bench -- NAME`: finds the benchmark, runs it, prints its figures.
// Each is imported only when asked for, so that none pays for another's dependencies.

import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg } from "node:os";
import { type Bench, describe } from "./bench.ts";
import { type BenchCall, FLAGS_USAGE, readCall } from "./flags.ts";

const EXIT_USAGE = 64;

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  bookings: () => import("./bookings.ts"),
  core: () => import("./core.ts"),
  failover: () => import("./failover.ts"),
  handover: () => import("./handover.ts"),
  payments: () => import("./payments.ts"),
  rush: () => import("./rush.ts"),
  soak: () => import("./soak.ts"),
  takeover: () => import("./takeover.ts"),
  waitlist: () => import("./waitlist.ts"),
};

async function main(): Promise<number> {
  let call: BenchCall;
  try {
    call = readCall(process.argv.slice(2));
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const load = Object.hasOwn(BENCHES, call.name) ? BENCHES[call.name] : undefined;
  if (load === undefined) return usage(`there is no benchmark ${call.name}`);
  const loadBefore = loadavg()[0];
  const bench = await load();
  const { figures } = await bench.run({ ...call, print: (line) => console.log(line) });
  for (const figure of figures) console.log(describe(figure));
  if (call.json !== undefined) {
    const machine = {
      cpu: cpus()[0]?.model,
      cores: availableParallelism(),
      node: process.version,
      load_before: loadBefore,
    };
    const { name, quick } = call;
    await writeFile(call.json, `${JSON.stringify({ bench: name, quick, machine, figures }, null, 2)}\n`);
  }
  return 0;
}

function usage(mistake: string): number {
  console.error(
    `${mistake}\nusage: npm run bench -- NAME ${FLAGS_USAGE}\nNAME is one of: ${Object.keys(BENCHES).join(", ")}`,
  );
  return EXIT_USAGE;
}

process.exitCode = await main();
