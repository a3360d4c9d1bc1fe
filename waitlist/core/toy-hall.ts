// For the tests of the line: a hall of a few rows: seats and their states, and the naive answers to what a line asks about them.
// Drawn as text: a letter is a seat of that category, a capital an accessible one; rows end at spaces.

import type { Room } from "./line.ts";
import { classesOf, type Waiter } from "./waiter.ts";

export type ToyState = "free" | "held" | "sold" | "blocked";

export class ToyHall implements Room {
  readonly states: ToyState[];
  readonly #classOf: readonly number[];
  /** Seat indices, row by row. */
  readonly #rows: readonly (readonly number[])[];
  /** How often it was asked for anything. */
  questionCount = 0;

  constructor(drawing: string) {
    const letters = [...drawing.replaceAll(" ", "")];
    this.#classOf = letters.map((letter) => {
      const category = letter.toLowerCase().charCodeAt(0) - 97;
      return 1 << (2 * category + (letter === letter.toLowerCase() ? 0 : 1));
    });
    this.states = letters.map(() => "free");
    let seat = 0;
    this.#rows = drawing.split(" ").map((row) => [...row].map(() => seat++));
  }

  inState(...states: readonly ToyState[]): number[] {
    return this.#classOf.flatMap((_, seat) => (states.includes(this.states[seat] as ToyState) ? [seat] : []));
  }

  set(seats: readonly number[], state: ToyState): void {
    for (const seat of seats) this.states[seat] = state;
  }

  freeOf(classes: number): number {
    this.questionCount += 1;
    return this.#of(this.inState("free"), classes).length;
  }

  potentialOf(classes: number): number {
    this.questionCount += 1;
    return this.#of(this.inState("free", "held"), classes).length;
  }

  choose({ quantity, contiguous }: Waiter, classes: number): readonly number[] | undefined {
    this.questionCount += 1;
    const free = this.#of(this.inState("free"), classes);
    return contiguous ? this.#block(free, quantity) : free.slice(0, quantity);
  }

  couldSeat({ quantity, categories, accessible }: Waiter): boolean {
    this.questionCount += 1;
    const possible = this.#of(this.inState("free", "held"), classesOf(categories, accessible));
    return this.#block(possible, quantity) !== undefined;
  }

  #of(seats: readonly number[], classes: number): number[] {
    return seats.filter((seat) => ((this.#classOf[seat] as number) & classes) !== 0);
  }

  #block(seats: readonly number[], quantity: number): number[] | undefined {
    for (const row of this.#rows) {
      for (let start = 0; start + quantity <= row.length; start += 1) {
        const block = row.slice(start, start + quantity);
        if (block.every((seat) => seats.includes(seat))) return block;
      }
    }
    return undefined;
  }
}
