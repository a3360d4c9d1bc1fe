// Goal: the figures of a failover, and that no fenced owner acknowledges anything. Method: the benchmark's own stage: three
// allocators under 1,000 locks a second, one of them killed 30 times in turn, and hung. Times are printed, not judged:
// this machine has other things to do; `npm run bench -- failover` holds them against what is asked.

import t from "tap";
import { describe } from "../../bench/bench.ts";
import { run } from "../../bench/failover.ts";

const IS_LONG = process.env.FAULTS === "long";

t.setTimeout(3_000_000);

t.test("30 kills of an owner", { skip: IS_LONG ? false : "npm run faults", timeout: 0 }, async (t) => {
  const { figures } = await run({ quick: false, print: (line) => t.comment(line) });
  for (const figure of figures) t.comment(describe(figure));
  t.match(figures.at(-1), { name: /acknowledgements lost, doubled/, value: 0 });
});
