// Numbers that look random and are always the same for the same words: the demo's only source of variety, so that
// generating it twice gives the same catalogue.

/** In [0, 1). FNV-1a with a final mix, since FNV alone leaves neighbours alike. */
export function noise(...words: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const character of words.join("\u0000")) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A whole number from `from` to `to`, both included. */
export const noiseBetween = (from: number, to: number, ...words: readonly (string | number)[]): number =>
  from + Math.floor(noise(...words) * (to - from + 1));

/** `items` must not be empty. */
export function pick<T>(items: readonly T[], ...words: readonly (string | number)[]): T {
  return items[Math.floor(noise(...words) * items.length)] as T;
}

/** `items` in an order of their own. */
export const shuffled = <T>(items: readonly T[], ...words: readonly (string | number)[]): T[] =>
  items
    .map((item, i) => ({ item, rank: noise(...words, i) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
