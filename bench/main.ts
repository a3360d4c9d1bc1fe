// `npm run bench -- NAME [--json FILE] [--quick]`: finds the benchmark, runs it, prints its figures.
// Each is imported only when asked for, so that none pays for another's dependencies.

import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type Bench, describe } from "./bench.ts";

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  bookings: () => import("./bookings.ts"),
  core: () => import("./core.ts"),
  payments: () => import("./payments.ts"),
  rush: () => import("./rush.ts"),
  waitlist: () => import("./waitlist.ts"),
};

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "string" }, quick: { type: "boolean", default: false } },
  });
  const name = positionals[0] ?? "";
  const load = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (load === undefined || positionals.length > 1) {
    console.error(
      `usage: npm run bench -- NAME [--json FILE] [--quick]\nNAME is one of: ${Object.keys(BENCHES).join(", ")}`,
    );
    return 64;
  }
  const loadBefore = loadavg()[0];
  const bench = await load();
  const { figures } = await bench.run({ quick: values.quick, print: (line) => console.log(line) });
  for (const figure of figures) console.log(describe(figure));
  if (values.json !== undefined) {
    const machine = {
      cpu: cpus()[0]?.model,
      cores: availableParallelism(),
      node: process.version,
      load_before: loadBefore,
    };
    await writeFile(
      values.json,
      `${JSON.stringify({ bench: name, quick: values.quick, machine, figures }, null, 2)}\n`,
    );
  }
  return 0;
}

process.exitCode = await main();
