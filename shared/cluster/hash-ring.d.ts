// What of hash-ring 1.0.1 the ring uses; the package has no types of its own.

declare module "hash-ring" {
  class HashRing {
    constructor(
      nodes?: readonly string[],
      options?: { readonly replicas?: number; readonly hashMethod?: "crc32" | "md5" },
    );
    /** Of points (`node:i`) and keys alike. */
    hashFunc: (text: string) => number;
    /** The points' hashes, sorted as if they were text. */
    readonly sortedKeys: readonly number[];
    readonly nodes: readonly string[];
    addNode(node: string): void;
    removeNode(node: string): void;
    getNode(key: string): string | null;
  }
  export = HashRing;
}
