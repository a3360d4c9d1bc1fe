// What every benchmark takes and gives back, and how rounds become a figure.
// The machine it runs on is never quiet: several rounds, the median printed, the spread beside it.

import type { BenchFlags } from "./flags.ts";

export interface BenchOptions extends BenchFlags {
  /** A smoke run: every path once, figures meaningless. */
  readonly quick: boolean;
  readonly print: (line: string) => void;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Each round's value, in the order they ran; absent where there was one. */
  readonly rounds?: readonly number[];
  /** What the specification asks for. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface BenchResult {
  readonly figures: readonly Figure[];
}

export interface Bench {
  run(options: BenchOptions): Promise<BenchResult>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function reaches(figure: Figure): boolean {
  return (
    (figure.atLeast === undefined || figure.value >= figure.atLeast) &&
    (figure.atMost === undefined || figure.value <= figure.atMost)
  );
}

const shown = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 2 : 0 });

/** One line for people: name, median, spread, and how it stands to what is asked. */
export function describe(figure: Figure): string {
  const { rounds } = figure;
  const spread =
    rounds === undefined || rounds.length < 2
      ? ""
      : `  (${rounds.length} rounds, ${shown(Math.min(...rounds))} to ${shown(Math.max(...rounds))})`;
  const limit = figure.atLeast ?? figure.atMost;
  const asked =
    limit === undefined
      ? ""
      : `  ${reaches(figure) ? "reaches" : "MISSES"} ${figure.atLeast === undefined ? "≤" : "≥"} ${shown(limit)}`;
  return `${figure.name}: ${shown(figure.value)} ${figure.unit}${spread}${asked}`;
}
