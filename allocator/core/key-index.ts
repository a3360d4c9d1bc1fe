// Which idempotency keys a show has seen, as 30-bit fingerprints: a set that may know too many (then a look-up finds
// nothing and the turn goes on), never too few.
// X1: a key is remembered for at least one period and at most two: two generations, the older dropped whole.
// X2: the key of a hold is never forgotten: it is the tail of a booking's id, and a row has one life.

import type { OperationId } from "../../shared/kernel/ids.ts";

export const KEY_PERIOD_MS = 24 * 3_600_000;

/** 30 bits of an operation's id; the id is a keyed hash, so its first characters are as good as any. */
export function fingerprintOf(operation: OperationId): number {
  let bits = 0;
  for (let i = 0; i < 5; i += 1) bits = (bits * 64 + (operation.charCodeAt(i) & 63)) & 0x3fffffff;
  return bits;
}

/** 64 bytes: the longest typed array that V8 keeps on its own heap. */
const SLOTS_MIN = 16;

/**
 * Open addressing in 4 bytes a slot: a question costs one cache line, a key 5 to 11 bytes. `Set` takes 24 to 48 and is
 * what a turn waited for longest when 10,000 shows were asked in random order.
 */
class FingerprintSet {
  /** A fingerprint + 1; 0 is empty. */
  #slots = new Int32Array(SLOTS_MIN);
  #size = 0;

  has(fingerprint: number): boolean {
    return this.#slots[this.#slotOf(fingerprint)] !== 0;
  }

  add(fingerprint: number): void {
    const slot = this.#slotOf(fingerprint);
    if (this.#slots[slot] !== 0) return;
    this.#slots[slot] = fingerprint + 1;
    this.#size += 1;
    if (this.#size * 4 > this.#slots.length * 3) this.#grow();
  }

  /** Where it is, or the empty slot where it would be. */
  #slotOf(fingerprint: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (Math.imul(fingerprint, 0x9e3779b1) >>> 8) & mask;
    while (slots[slot] !== 0 && slots[slot] !== fingerprint + 1) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    for (const entry of old) if (entry !== 0) this.#slots[this.#slotOf(entry - 1)] = entry;
  }
}

export class KeyIndex {
  // Allocated when the first key comes: an idle show has none.
  #holds: FingerprintSet | undefined;
  #current: FingerprintSet | undefined;
  #previous: FingerprintSet | undefined;
  #turnedAt = 0;

  /** The key that placed a hold. */
  addHold(operation: OperationId): void {
    this.#holds ??= new FingerprintSet();
    this.#holds.add(fingerprintOf(operation));
  }

  add(operation: OperationId, now: number): void {
    if (now - this.#turnedAt >= KEY_PERIOD_MS) {
      this.#previous = now - this.#turnedAt < 2 * KEY_PERIOD_MS ? this.#current : undefined;
      this.#current = undefined;
      this.#turnedAt = now;
    }
    this.#current ??= new FingerprintSet();
    this.#current.add(fingerprintOf(operation));
  }

  mayHave(operation: OperationId): boolean {
    const fingerprint = fingerprintOf(operation);
    return (
      this.#holds?.has(fingerprint) === true ||
      this.#current?.has(fingerprint) === true ||
      this.#previous?.has(fingerprint) === true
    );
  }
}
