// Answers kept for a moment: one load at a time for a key, its value shared by all who ask while it is fresh.
// F1: what `get` answers was loaded by a load that began at most `freshMs` before it was called.
// F2: after `clear()` nothing that was loaded, or began to load, before it is answered to anybody who asks later.
// F3: at most `bytesMax` of values; the oldest go first. A load that fails is not kept.

export interface FreshCacheOptions<V> {
  readonly freshMs: number;
  readonly bytesMax: number;
  readonly sizeOf: (value: V) => number;
  readonly clock: { now(): number };
}

interface Kept<V> {
  readonly value: V;
  readonly begunAt: number;
}

interface Load<V> {
  readonly promise: Promise<V>;
  readonly begunAt: number;
}

export class FreshCache<V> {
  readonly #options: FreshCacheOptions<V>;
  // In the order of loading, so the first is the oldest.
  readonly #kept = new Map<string, Kept<V>>();
  // Bounded by the requests under way: each has at least one waiting for it.
  readonly #loading = new Map<string, Load<V>>();
  #bytes = 0;

  constructor(options: FreshCacheOptions<V>) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The value if it is fresh: no promise, for the hot path. */
  peek(key: string): V | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && this.#isFresh(kept.begunAt) ? kept.value : undefined;
  }

  async get(key: string, load: () => Promise<V>): Promise<V> {
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
      if (this.#loading.get(key) === started) this.#keep(key, { value, begunAt });
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

  #keep(key: string, kept: Kept<V>): void {
    const { bytesMax, sizeOf } = this.#options;
    this.#drop(key);
    const size = sizeOf(kept.value);
    if (size > bytesMax) return;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes + size <= bytesMax) break;
      this.#drop(oldest);
    }
    this.#kept.set(key, kept);
    this.#bytes += size;
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= this.#options.sizeOf(kept.value);
  }
}
