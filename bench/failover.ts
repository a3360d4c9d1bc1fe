// Failover: how long the shows of an owner that is killed, or hangs, are not answered, among three allocators under 1,000
// locks a second. At the fault each of its shows is asked by somebody of its own, beside the load; it repeats what fails.

import type { BenchOptions, BenchResult, Figure } from "./bench.ts";
import { FailoverStage, type Fault } from "./failover-stage.ts";

const KILLS = 30;
const HANGS = 5;
const RATE = 1_000;

export async function run({ quick, print }: Pick<BenchOptions, "quick" | "print">): Promise<BenchResult> {
  const stage = await FailoverStage.open({ rate: quick ? 100 : RATE });
  try {
    const kills = await measure(stage, "kill", quick ? 1 : KILLS, print);
    const hangs = await measure(stage, "hang", quick ? 1 : HANGS, print);
    const rate = await stage.end();
    const problems = await stage.prove();
    for (const problem of problems) print(problem);
    return {
      figures: [
        { name: "locks", value: rate, unit: "/s" },
        ...figuresOf("kill -9", kills, { p99Ms: 1_000, worstMs: 2_000 }),
        ...figuresOf("hang", hangs, { worstMs: 2_000 }),
        { name: "acknowledgements lost, doubled, or of a fenced owner", value: problems.length, unit: "", atMost: 0 },
      ],
    };
  } finally {
    await stage.close();
  }
}

/** Milliseconds to the first answer, of each show in each round. */
async function measure(
  stage: FailoverStage,
  fault: Fault,
  rounds: number,
  print: (line: string) => void,
): Promise<number[][]> {
  const all: number[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const times = await stage.strike(fault);
    all.push(times);
    const worst = Math.max(...times);
    print(
      `${fault} ${round}: ${times.length} shows, p50 ${percentile(times, 50).toFixed(0)} ms, last ${worst.toFixed(0)} ms`,
    );
  }
  return all;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}

function figuresOf(
  name: string,
  rounds: readonly number[][],
  asked: { readonly p99Ms?: number; readonly worstMs: number },
): Figure[] {
  const times = rounds.flat();
  const figure = (what: string, value: number, atMost?: number): Figure => ({
    name: `${name} of an owner → first answer, ${what}`,
    value,
    unit: "ms",
    ...(atMost === undefined ? {} : { atMost }),
  });
  return [
    figure("p50 of shows", percentile(times, 50)),
    figure("p99 of shows", percentile(times, 99), asked.p99Ms),
    figure(
      "its last show, median of rounds",
      percentile(
        rounds.map((round) => Math.max(...round)),
        50,
      ),
    ),
    figure("its last show, worst round", Math.max(...times), asked.worstMs),
  ];
}
