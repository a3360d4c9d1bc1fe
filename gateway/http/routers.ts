// Which endpoint a path is: hono's RegExpRouter, the fast one, and beside it a TrieRouter for what it cannot take: of one
// method, a parameter where another path has a word (`/bookings/{id}/cancel` beside `/bookings/lock/{id}/extend`).
// Words come first; only what no path of the fast one matches is looked for in the other.

import type { Result, Router } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { TrieRouter } from "hono/router/trie-router";

export class TwoRouters<T> implements Router<T> {
  readonly name = "TwoRouters";
  readonly #fast = new RegExpRouter<T>();
  readonly #other = new TrieRouter<T>();
  /** By method and path so far: whether the fast one has a parameter next, or words. */
  readonly #next = new Map<string, "parameter" | "word">();

  add(method: string, path: string, handler: T): void {
    const places = placesOf(method, path);
    const fits = places.every(([place, kind]) => (this.#next.get(place) ?? kind) === kind);
    if (!fits) return this.#other.add(method, path, handler);
    for (const [place, kind] of places) this.#next.set(place, kind);
    this.#fast.add(method, path, handler);
  }

  match(method: string, path: string): Result<T> {
    const found = this.#fast.match(method, path);
    return found[0].length > 0 ? found : this.#other.match(method, path);
  }
}

/** None of a path without parameters: that is looked up whole. */
function placesOf(method: string, path: string): [place: string, kind: "parameter" | "word"][] {
  if (!path.includes(":")) return [];
  const segments = path.split("/");
  return segments.map((segment, i) => [
    `${method} ${segments.slice(0, i).join("/")}`,
    segment.startsWith(":") ? "parameter" : "word",
  ]);
}
