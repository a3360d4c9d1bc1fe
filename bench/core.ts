// `npm run bench -- core`: turns a second in the pure core on one core, and the memory of an idle loaded show.
// Nothing around the core is measured: no mailbox, no commit, no wire. What the shell does to the state after each
// commit, throwing finished bookings and operations out, is done here too, or the maps would grow unlike anything real.
// What it shows: a turn waits for memory. The same code does 1.9 million turns a second over 10 shows, which stay in the
// cache, 0.83 million over 1,000 with a few popular ones, 0.65 million over 1,000 alike and 0.25 million over 10,000,
// where a read in random order takes 190 ns and more instead of 6 (two shared cores). A show with 100,000 in line takes
// 2.5 µs a turn where one with 10 takes 1.4: nothing walks the line, but it is in no cache.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type BenchOptions, type BenchResult, type Figure, median } from "./bench.ts";
import { LineWorkload } from "./core-waitlist.ts";
import { CoreWorkload, type Demand } from "./core-workload.ts";

const NS_PER_S = 1e9;
const NS_PER_US = 1_000;
const ROUND_TURNS = 1_000_000;
const MEASURED_ROUNDS = 9;
/** Until the code is compiled, half the seats are taken, and finished bookings come and go. */
const WARM_UP_ROUNDS = 2;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const figures = [
    ...turnsPerSecond(options, { shows: 1_000, demand: "popular", atLeast: 1_000_000 }),
    ...turnsPerSecond(options, { shows: 1_000, demand: "even" }),
    ...turnsPerSecond(options, { shows: 10_000, demand: "even", atLeast: 400_000 }),
    ...lengthOfLine(options),
    await idleShowBytes(options),
  ];
  return { figures };
}

function turnsPerSecond(
  { quick, print }: BenchOptions,
  { shows, demand, atLeast }: { shows: number; demand: Demand; atLeast?: number },
): Figure[] {
  const workload = new CoreWorkload({ shows, seed: shows, demand });
  const roundTurns = quick ? 20_000 : ROUND_TURNS;
  const rounds: number[] = [];
  const ofCpu: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + (quick ? 2 : MEASURED_ROUNDS); round += 1) {
    const cpuBefore = process.cpuUsage();
    const before = process.hrtime.bigint();
    const { turns, tookNs } = workload.run(roundTurns);
    const wallNs = Number(process.hrtime.bigint() - before);
    const cpu = process.cpuUsage(cpuBefore);
    if (round < WARM_UP_ROUNDS) continue;
    rounds.push(Math.round((turns * NS_PER_S) / tookNs));
    // The share of the time in which this process had a core: less than one when others want it too.
    const share = Math.min(1, ((cpu.user + cpu.system) * NS_PER_US) / wallNs);
    ofCpu.push(Math.round((turns * NS_PER_S) / (tookNs * share)));
  }
  print(`the mix over ${shows} shows, ${demand} demand:\n${workload.profile(roundTurns)}`);
  const name = `turns over ${shows.toLocaleString("en")} shows of 200 seats, ${demand} demand, in random order`;
  return [
    { name, value: median(rounds), unit: "turns/s", rounds, ...(atLeast === undefined ? {} : { atLeast }) },
    { name: `${name}, while it had a core`, value: median(ofCpu), unit: "turns/s", rounds: ofCpu },
  ];
}

/** What a turn costs more when 100,000 wait than when 10 do, in rounds by turns. */
function lengthOfLine({ quick }: BenchOptions): Figure[] {
  const few = new LineWorkload({ waiters: 10, seed: 1 });
  const many = new LineWorkload({ waiters: quick ? 1_000 : 100_000, seed: 1 });
  const roundTurns = quick ? 20_000 : ROUND_TURNS / 4;
  const nsPerTurn = (workload: LineWorkload): number => {
    const { turns, tookNs } = workload.run(roundTurns);
    return tookNs / turns;
  };
  const rounds: { few: number; many: number }[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + (quick ? 2 : MEASURED_ROUNDS); round += 1) {
    const pair = { few: nsPerTurn(few), many: nsPerTurn(many) };
    if (round >= WARM_UP_ROUNDS) rounds.push(pair);
  }
  const ratios = rounds.map((pair) => pair.many / pair.few);
  return [
    { name: "a turn of a show with 10 waiters", value: median(rounds.map((pair) => pair.few)), unit: "ns" },
    { name: "a turn of a show with 100,000 waiters", value: median(rounds.map((pair) => pair.many)), unit: "ns" },
    { name: "… with 100,000 ÷ with 10", value: median(ratios), unit: "×", rounds: ratios, atMost: 1.1 },
  ];
}

/** In a process of its own, so that nothing else is on its heap. */
async function idleShowBytes({ quick }: BenchOptions): Promise<Figure> {
  const script = fileURLToPath(new URL("./core-memory.ts", import.meta.url));
  const shows = quick ? 2_000 : 100_000;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    "--import",
    "tsx",
    script,
    String(shows),
  ]);
  return {
    name: `memory of an idle loaded show of 200 seats, of ${shows.toLocaleString("en")}`,
    value: Number(stdout),
    unit: "bytes",
    atMost: 4_096,
  };
}
