// `npm run sim -- --seeds N [--seed S]`: N lives from seed S on; says which seeds fail, and exits 1 when one does.

import { parseArgs } from "node:util";
import { live } from "./life.ts";

const SEEDS_MAX = 10_000_000;

function count(text: string, name: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  console.error(
    `--${name} is a whole number from 0 to ${max}, not ${text}\nusage: npm run sim -- --seeds N [--seed S]`,
  );
  return process.exit(64);
}

function main(): number {
  const { values } = parseArgs({
    options: { seeds: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
  });
  const seeds = count(values.seeds, "seeds", SEEDS_MAX);
  const first = count(values.seed, "seed", 2 ** 31);
  let turns = 0;
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const life = live(seed);
    turns += life.turns;
    if (life.failure === undefined) continue;
    failed += 1;
    console.error(`seed ${seed} fails at ${life.failure}\n  again: npm run sim -- --seeds 1 --seed ${seed}`);
  }
  console.log(`${seeds} seeds, ${turns} steps: ${failed === 0 ? "nothing wrong" : `${failed} seeds failed`}`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
