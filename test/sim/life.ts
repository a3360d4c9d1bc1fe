// One seed, one life of a show: about 2,000 turns in some hours of its own time, watched as in test/core/lives.test.ts
// but longer than a property could draw. The same seed is the same life for ever; a seed that failed is pinned in a test.

import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { NUMBERS_PER_STEP, Scenario } from "../core/scenario.ts";

const STEPS = 1_200;
const NUMBERS_MAX = 1 << 16;

export interface Life {
  readonly turns: number;
  /** What was wrong, and after which step; `undefined` when nothing was. */
  readonly failure: string | undefined;
  /** What became of its commands, counted. */
  readonly outcomes: ReadonlyMap<string, number>;
}

export function live(seed: number): Life {
  const random = new SeededRandom(seed);
  const draw = (): number[] => Array.from({ length: NUMBERS_PER_STEP }, () => random.below(NUMBERS_MAX));
  const scenario = new Scenario(draw());
  for (let step = 0; step < STEPS; step += 1) {
    const wrong = stepOf(scenario, draw());
    if (wrong.length > 0)
      return { turns: step, failure: `step ${step}: ${wrong.join("; ")}`, outcomes: scenario.outcomes };
  }
  const wrong = scenario.finish();
  return { turns: STEPS, failure: wrong.length > 0 ? wrong.join("; ") : undefined, outcomes: scenario.outcomes };
}

/** A core that fails its own assertions is wrong too, and the seed is to be known. */
function stepOf(scenario: Scenario, numbers: readonly number[]): string[] {
  try {
    return scenario.step(numbers);
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message).split("\n", 5).join("\n") : String(error)];
  }
}
