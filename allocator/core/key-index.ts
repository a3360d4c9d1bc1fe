// Which idempotency keys a show has seen in the last day, as 30-bit fingerprints: a set that may know too many (then a
// look-up finds nothing and the turn goes on), never too few. 30 bits, since V8 keeps such numbers unboxed.
// X1: a key is remembered for at least one period and at most two: two generations, the older dropped whole.

import type { OperationId } from "../../shared/kernel/ids.ts";

export const KEY_PERIOD_MS = 24 * 3_600_000;

/** 30 bits of an operation's id; the id is a keyed hash, so its first characters are as good as any. */
export function fingerprintOf(operation: OperationId): number {
  let bits = 0;
  for (let i = 0; i < 5; i += 1) bits = (bits * 64 + (operation.charCodeAt(i) & 63)) & 0x3fffffff;
  return bits;
}

export class KeyIndex {
  // Allocated when the first key comes: an idle show has none.
  #current: Set<number> | undefined;
  #previous: Set<number> | undefined;
  #turnedAt = 0;

  add(operation: OperationId, now: number): void {
    if (now - this.#turnedAt >= KEY_PERIOD_MS) {
      this.#previous = now - this.#turnedAt < 2 * KEY_PERIOD_MS ? this.#current : undefined;
      this.#current = undefined;
      this.#turnedAt = now;
    }
    this.#current ??= new Set();
    this.#current.add(fingerprintOf(operation));
  }

  mayHave(operation: OperationId): boolean {
    if (this.#current === undefined && this.#previous === undefined) return false;
    const fingerprint = fingerprintOf(operation);
    return this.#current?.has(fingerprint) === true || this.#previous?.has(fingerprint) === true;
  }
}
