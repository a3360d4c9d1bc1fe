// A hash map whose entries also stand in a line: O(1) find, append, remove anywhere, and a head.
// The seed's structure for active reservations: with one TTL a map, the head is always the next to go.
// Own code and not `Map` for two reasons: finding a Map's head walks the tombstones of everything deleted
// before it, and an entry must sometimes be put a little before the tail (M2).
// M1: `head()` is the entry with the smallest rank.
// M2: ranks never decrease along the line; an entry out of turn is walked into its place from the tail, which costs
//     nothing while ranks arrive in order.

interface Node<K> {
  readonly key: K;
  rank: number;
  previous: Node<K> | undefined;
  next: Node<K> | undefined;
}

export class LinkedHashMap<K> {
  readonly #nodes = new Map<K, Node<K>>();
  #head: Node<K> | undefined;
  #tail: Node<K> | undefined;

  get size(): number {
    return this.#nodes.size;
  }

  /** The entry with the smallest rank, or `undefined` when the map is empty. */
  head(): { readonly key: K; readonly rank: number } | undefined {
    return this.#head;
  }

  rankOf(key: K): number | undefined {
    return this.#nodes.get(key)?.rank;
  }

  /** Adds `key`, or moves it when it is there; answers the rank it had. Equal ranks keep the order of their arrival. */
  set(key: K, rank: number): number | undefined {
    let node = this.#nodes.get(key);
    const before = node?.rank;
    if (node === undefined) {
      node = { key, rank, previous: undefined, next: undefined };
      this.#nodes.set(key, node);
    } else {
      this.#unlink(node);
      node.rank = rank;
    }
    let previous = this.#tail;
    while (previous !== undefined && previous.rank > rank) previous = previous.previous;
    node.previous = previous;
    node.next = previous === undefined ? this.#head : previous.next;
    if (node.previous === undefined) this.#head = node;
    else node.previous.next = node;
    if (node.next === undefined) this.#tail = node;
    else node.next.previous = node;
    return before;
  }

  /** The rank it had, or `undefined` when it was not there. */
  delete(key: K): number | undefined {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    this.#nodes.delete(key);
    this.#unlink(node);
    return node.rank;
  }

  #unlink(node: Node<K>): void {
    if (node.previous === undefined) this.#head = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#tail = node.previous;
    else node.next.previous = node.previous;
  }

  /** Adds the same to every rank: the line stays as it is. */
  shift(by: number): void {
    for (let node = this.#head; node !== undefined; node = node.next) node.rank += by;
  }

  /** From head to tail. */
  *[Symbol.iterator](): IterableIterator<readonly [key: K, rank: number]> {
    for (let node = this.#head; node !== undefined; node = node.next) yield [node.key, node.rank];
  }
}
