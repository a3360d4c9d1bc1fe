// Sets of seat classes as bit masks: bit 2c for the ordinary seats of category c, bit 2c + 1 for its accessible ones.
// A layout has at most 16 categories, so a set is one 32-bit integer, and what a request may be given, what waiters
// claim and what is free meet in one instruction.

/** Every class there can be. */
export const ALL_CLASSES = -1;
const ORDINARY_CLASSES = 0x55555555;

/** What a request may be given by number: one category or all, accessible seats only when it asks for them. */
export function poolOf(category: number | undefined, accessible: boolean): number {
  if (category === undefined) return accessible ? ALL_CLASSES : ORDINARY_CLASSES;
  return (accessible ? 3 : 1) << (2 * category);
}

export const hasClass = (classes: number, kind: number): boolean => ((classes >>> kind) & 1) === 1;

/** Sums counts by class (`ShowState.free`, `.held`) over a set. */
export function countIn(counts: readonly number[], classes: number): number {
  let sum = 0;
  for (let kind = 0; kind < counts.length; kind += 1) if (hasClass(classes, kind)) sum += counts[kind] as number;
  return sum;
}
