// Answers kept for a moment: one load at a time for a key, its value shared by all who ask while it is fresh.
// F1: what `get` answers was loaded by a load that began at most `freshMs` before it was called.
// F2: after `clear()` nothing that was loaded, or began to load, before it is answered to anybody who asks later.
// F3: at most `entriesMax` entries of `bytesMax` together, keys and overhead counted: keys are what clients send. What is
//     no longer fresh goes whenever something comes, else the oldest. A load that fails or answers `undefined` is not kept.

import type { Clock } from "../../shared/platform/clock.ts";

export interface FreshCacheOptions<V> {
  readonly freshMs: number;
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** Of the value alone. */
  readonly bytesOf: (value: V) => number;
  readonly clock: Clock;
}

/** An entry without its key and value: two objects, a slot in the map, and what the value wraps its bytes in. */
const ENTRY_BYTES = 500;
const CHARACTER_BYTES = 2;

interface Kept<V> {
  readonly value: V;
  readonly bytes: number;
  readonly begunAt: number;
}

interface Load<V> {
  readonly promise: Promise<V | undefined>;
  readonly begunAt: number;
}

export class FreshCache<V extends object> {
  readonly #options: FreshCacheOptions<V>;
  // In the order of loading, so the first is the oldest.
  readonly #kept = new Map<string, Kept<V>>();
  // Bounded by the requests under way: each has at least one waiting for it.
  readonly #loading = new Map<string, Load<V>>();
  #bytes = 0;

  constructor(options: FreshCacheOptions<V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The value if it is fresh: no promise, for the hot path. */
  peek(key: string): V | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && this.#isFresh(kept.begunAt) ? kept.value : undefined;
  }

  async get(key: string, load: () => Promise<V | undefined>): Promise<V | undefined> {
    const fresh = this.peek(key);
    if (fresh !== undefined) return fresh;
    const underWay = this.#loading.get(key);
    if (underWay !== undefined && this.#isFresh(underWay.begunAt)) return underWay.promise;
    const begunAt = this.#options.clock.now();
    const promise = load();
    const started = { promise, begunAt };
    this.#loading.set(key, started);
    try {
      const value = await promise;
      if (value !== undefined && this.#loading.get(key) === started) this.#keep(key, value, begunAt);
      return value;
    } finally {
      if (this.#loading.get(key) === started) this.#loading.delete(key);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#loading.clear();
    this.#bytes = 0;
  }

  #isFresh(begunAt: number): boolean {
    return this.#options.clock.now() - begunAt <= this.#options.freshMs;
  }

  #keep(key: string, value: V, begunAt: number): void {
    const { entriesMax, bytesMax, bytesOf } = this.#options;
    this.#drop(key);
    const bytes = key.length * CHARACTER_BYTES + ENTRY_BYTES + bytesOf(value);
    if (bytes > bytesMax) return;
    for (const [oldest, kept] of this.#kept) {
      const hasRoom = this.#kept.size < entriesMax && this.#bytes + bytes <= bytesMax;
      if (hasRoom && this.#isFresh(kept.begunAt)) break;
      this.#drop(oldest);
    }
    this.#kept.set(key, { value, bytes, begunAt });
    this.#bytes += bytes;
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
