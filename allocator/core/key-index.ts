// Which idempotency keys a show has seen, as 30-bit fingerprints: a set that may know too many (then a look-up finds
// nothing and the turn goes on), never too few.
// X1: a key is remembered for at least one period and at most two: two generations, the older dropped whole.
// X2: the key of a hold is never forgotten: it is the tail of a booking's id, and a row has one life.

import { type BookingId, OPERATION_ID_LENGTH, type OperationId, type WaiterId } from "../../shared/kernel/ids.ts";

export const KEY_PERIOD_MS = 24 * 3_600_000;

/**
 * 30 bits of an operation's id; the id is a keyed hash, so its first characters are as good as any. Of the id of what
 * it placed too, whose tail it is (K1).
 */
export function fingerprintOf(id: OperationId | BookingId | WaiterId): number {
  const from = id.length - OPERATION_ID_LENGTH;
  let bits = 0;
  for (let i = from; i < from + 5; i += 1) bits = (bits * 64 + (id.charCodeAt(i) & 63)) & 0x3fffffff;
  return bits;
}

/** 64 bytes: the longest typed array that V8 keeps on its own heap. */
const SLOTS_MIN = 16;

// A slot is a fingerprint and, in its two lowest bits, what it is the key of; 0 is an empty slot.
const HOLD = 1;
type Generation = 2 | 3;

/**
 * One table, open addressing: a question costs one cache line, a key 5 to 11 bytes. (A `Set` takes 24 to 48, and one
 * for each generation was what a turn waited for longest when many shows were asked in random order.)
 */
export class KeyIndex {
  // Allocated when the first key comes: an idle show has none.
  #slots: Int32Array | undefined;
  #size = 0;
  #generation: Generation = 2;
  #turnedAt = 0;

  /** The key that placed a hold. */
  addHold(operation: OperationId | BookingId | WaiterId): void {
    this.#put(fingerprintOf(operation), HOLD);
  }

  add(operation: OperationId, now: number): void {
    if (now - this.#turnedAt >= KEY_PERIOD_MS) this.#turn(now);
    this.#put(fingerprintOf(operation), this.#generation);
  }

  mayHave(operation: OperationId): boolean {
    const slots = this.#slots;
    if (slots === undefined) return false;
    const fingerprint = fingerprintOf(operation);
    return slots[slotOf(slots, fingerprint)] !== 0;
  }

  #put(fingerprint: number, tag: typeof HOLD | Generation): void {
    if (this.#slots === undefined) this.#slots = new Int32Array(SLOTS_MIN);
    else if (this.#size * 4 >= this.#slots.length * 3) this.#rebuild(this.#slots.length * 2, () => true);
    const slots = this.#slots;
    const slot = slotOf(slots, fingerprint);
    const before = slots[slot] as number;
    if (before === 0) this.#size += 1;
    // A key that comes again is of the newest generation, but a hold's stays a hold's.
    if ((before & 3) !== HOLD) slots[slot] = (fingerprint << 2) | tag;
  }

  /** A new generation begins: of the older ones only the last stays, and that only when it is not too old already. */
  #turn(now: number): void {
    const last = now - this.#turnedAt < 2 * KEY_PERIOD_MS ? this.#generation : HOLD;
    this.#turnedAt = now;
    this.#generation = this.#generation === 2 ? 3 : 2;
    if (this.#slots === undefined) return;
    const isKept = (entry: number): boolean => (entry & 3) === HOLD || (entry & 3) === last;
    let kept = 0;
    for (const entry of this.#slots) if (entry !== 0 && isKept(entry)) kept += 1;
    let length = SLOTS_MIN;
    while (kept * 4 >= length * 3) length *= 2;
    this.#rebuild(length, isKept);
  }

  #rebuild(length: number, isKept: (entry: number) => boolean): void {
    const old = this.#slots ?? [];
    const slots = new Int32Array(length);
    this.#size = 0;
    for (const entry of old) {
      if (entry === 0 || !isKept(entry)) continue;
      slots[slotOf(slots, entry >>> 2)] = entry;
      this.#size += 1;
    }
    this.#slots = slots;
  }
}

/** Where a fingerprint is, or the empty slot where it would be. There is always one. */
function slotOf(slots: Int32Array, fingerprint: number): number {
  const mask = slots.length - 1;
  // The golden ratio spreads neighbours: base64url leaves some of the lowest bits' values out.
  let slot = (Math.imul(fingerprint, 0x9e3779b1) >>> 8) & mask;
  for (let entry = slots[slot] as number; entry !== 0 && entry >>> 2 !== fingerprint; entry = slots[slot] as number) {
    slot = (slot + 1) & mask;
  }
  return slot;
}
