// What a message is made of: each shape is declared once and both writes and reads. A value becomes plain data (text,
// numbers, booleans, null and arrays of these); which bytes that is, is messages.ts's matter.
// W1: a record is an array, in the order in which its fields are declared. That order is for ever (shape.test.ts).
// W2: optional fields come last, and a new field is an optional one at the end: a reader takes what is missing there as
//     `undefined` and ignores what it does not know, so that versions understand one another both ways.
// W3: `undefined` is null on the wire, and nothing at all at the end of a record. No value of ours is null.
// W4: what is read is as its type says, within its bounds, or `Unreadable` is thrown; messages.ts catches it. It never
//     repeats what it read: that may be a payment token.

import { assert } from "../kernel/assert.ts";

export type Plain = null | boolean | number | string | readonly Plain[];

/** Thrown by `read` alone. The message names the field, not its content (W4). */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

export interface Shape<T> {
  readonly write: (value: T) => Plain;
  readonly read: (wire: unknown) => T;
  /** As the layout test shows it. */
  readonly layout: string;
  /** W2; `absent`: instead of being `undefined` the property is not there. */
  readonly optional?: "undefined" | "absent";
}

/** `expected` says what it should have been. */
export const unreadable = (expected: string): Unreadable => new Unreadable(`not ${expected}`);

/** Numbers, text and booleans travel as they are. */
const asIs = <T extends Plain>(layout: string, is: (wire: unknown) => boolean): Shape<T> => ({
  write: (value) => value,
  read(wire) {
    if (!is(wire)) throw unreadable(layout);
    return wire as T;
  },
  layout,
});

/** A whole number from `min` to `max`. */
export const whole = (min: number, max: number, layout = `${min}–${max}`): Shape<number> =>
  asIs(layout, (wire) => Number.isSafeInteger(wire) && (wire as number) >= min && (wire as number) <= max);

/** Sequence numbers, times, money, hashes. */
export const COUNT = whole(0, Number.MAX_SAFE_INTEGER, "count");

/** Milliseconds or an estimate, also in fractions; finite. */
export const amount = (max: number): Shape<number> =>
  asIs(`0…${max}`, (wire) => typeof wire === "number" && wire >= 0 && wire <= max);

export const FLAG: Shape<boolean> = asIs("flag", (wire) => typeof wire === "boolean");
export const TRUE: Shape<true> = asIs("true", (wire) => wire === true);

/** Up to `max` UTF-16 units, without NUL, which Postgres refuses. */
export const text = (max: number): Shape<string> =>
  asIs(`text of ≤ ${max}`, (wire) => typeof wire === "string" && wire.length <= max && !wire.includes("\0"));

/** `form` bounds its length too. */
export const word = <T extends string>(layout: string, form: RegExp): Shape<T> =>
  asIs(layout, (wire) => typeof wire === "string" && form.test(wire));

/** Each name has a number, for ever. */
export function oneOf<T extends string>(numbers: Readonly<Record<T, number>>): Shape<T> {
  const names = inverse(numbers);
  return {
    write: (value) => numbers[value],
    read(wire) {
      const name = names.get(wire);
      if (name === undefined) throw unreadable("one of the known names");
      return name;
    },
    layout: JSON.stringify(numbers),
  };
}

export const optional = <T>({ write, read, layout }: Shape<T>): Shape<T | undefined> => ({
  write: (value) => (value === undefined ? null : write(value)),
  read: (wire) => (wire === undefined || wire === null ? undefined : read(wire)),
  layout: `${layout}?`,
  optional: "undefined",
});

/** For `name?: T`: the property is left out. */
export const absent = <T>(shape: Shape<T>): Shape<T> => ({ ...(optional(shape) as Shape<T>), optional: "absent" });

export function list<T>({ write, read, layout }: Shape<T>, min: number, max: number): Shape<readonly T[]> {
  return {
    write: (values) => values.map(write),
    read(wire) {
      if (!Array.isArray(wire) || wire.length < min || wire.length > max) throw unreadable(`${min}–${max} values`);
      return wire.map(read);
    },
    layout: `[${layout}] ${min}–${max}`,
  };
}

/** Whole numbers below `bound`, each at most once, in any order. */
export function distinct(bound: number, min: number, max: number): Shape<readonly number[]> {
  const numbers = list(whole(0, bound - 1), min, max);
  return {
    ...numbers,
    write: (values) => values,
    read(wire) {
      const values = numbers.read(wire);
      if (!areDistinct(values)) throw unreadable("different numbers");
      return values;
    },
  };
}

/** Up to ten by comparison, as most are: a set costs more than all of them. */
const areDistinct = (values: readonly number[]): boolean =>
  values.length <= 10
    ? values.every((value, i) => values.indexOf(value) === i)
    : new Set(values).size === values.length;

/** `Required`: a property that may be left out is declared `absent`, one that may be `undefined` is `optional`. */
export type Fields<T> = { readonly [K in keyof T]-?: Shape<Required<T>[K]> };

/** A record without a kind. */
export function record<T extends object>(fields: Fields<T>): Shape<T> {
  const tuple = new Tuple({}, fields);
  return {
    write: (value) => tuple.write([], value),
    read: (wire) => tuple.read(wire, 0) as T,
    layout: tuple.layout,
  };
}

type Members<U, D extends keyof U> = {
  readonly [K in U[D] & string]: readonly [tag: number, fields: Fields<Omit<Extract<U, Readonly<Record<D, K>>>, D>>];
};

/** A union told apart by `by`: a record whose first element is its kind's number. Every kind has an entry, or it does not compile. */
export function union<U extends object, D extends keyof U & string>(by: D, members: Members<U, D>): Shape<U> {
  const entries = Object.entries<readonly [number, object]>(members);
  const tuples = new Map(entries.map(([kind, [, fields]]) => [kind, new Tuple({ [by]: kind }, fields)]));
  const tags = Object.fromEntries(entries.map(([kind, [tag]]) => [kind, tag]));
  const kinds = inverse(tags);
  return {
    write(value) {
      const kind = value[by] as string;
      return (tuples.get(kind) as Tuple).write([tags[kind] as number], value);
    },
    read(wire) {
      const kind = Array.isArray(wire) ? kinds.get(wire[0]) : undefined;
      if (kind === undefined) throw unreadable(`a known ${by}`);
      return (tuples.get(kind) as Tuple).read(wire, 1) as U;
    },
    layout: `by ${by}:${entries.map(([kind, [tag]]) => `\n${tag} ${kind} ${tuples.get(kind)?.layout}`).join("")}`,
  };
}

/** The fields of one kind, in order (W1). */
class Tuple {
  readonly layout: string;
  readonly #names: readonly string[];
  readonly #shapes: readonly Shape<unknown>[];
  /** With every property that is always there: copied and filled in, all of a kind have one hidden class. */
  readonly #template: Readonly<Record<string, unknown>>;

  constructor(constants: Readonly<Record<string, unknown>>, fields: object) {
    const entries = Object.entries<Shape<unknown>>(fields as Record<string, Shape<unknown>>);
    this.#names = entries.map(([name]) => name);
    this.#shapes = entries.map(([, shape]) => shape);
    const isOptional = this.#shapes.map((shape) => shape.optional !== undefined);
    const firstOptional = isOptional.indexOf(true);
    assert(
      firstOptional < 0 || !isOptional.includes(false, firstOptional),
      `optional fields come last: ${this.#names}`,
    );
    const always = entries.filter(([, shape]) => shape.optional !== "absent").map(([name]) => [name, undefined]);
    this.#template = { ...constants, ...Object.fromEntries(always) };
    this.layout = `(${entries.map(([name, shape]) => `${name}: ${shape.layout}`).join(", ")})`;
  }

  /** Appends to `out`. */
  write(out: Plain[], value: object): Plain[] {
    const start = out.length;
    for (let i = 0; i < this.#names.length; i += 1) {
      out.push((this.#shapes[i] as Shape<unknown>).write((value as Record<string, unknown>)[this.#names[i] as string]));
    }
    while (out.length > start && out[out.length - 1] === null) out.pop();
    return out;
  }

  read(wire: unknown, from: number): object {
    if (!Array.isArray(wire)) throw unreadable("a record");
    const value: Record<string, unknown> = { ...this.#template };
    for (let i = 0; i < this.#names.length; i += 1) {
      const shape = this.#shapes[i] as Shape<unknown>;
      const part = wire[from + i];
      if ((part === undefined || part === null) && shape.optional === "absent") continue;
      value[this.#names[i] as string] = this.#readField(i, shape, part);
    }
    return value;
  }

  #readField(i: number, shape: Shape<unknown>, part: unknown): unknown {
    try {
      return shape.read(part);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      throw new Unreadable(`${this.#names[i]}: ${error.message}`);
    }
  }
}

function inverse<T extends string>(numbers: Readonly<Record<T, number>>): ReadonlyMap<unknown, T> {
  const names = new Map<unknown, T>(Object.entries<number>(numbers).map(([name, number]) => [number, name as T]));
  assert(names.size === Object.keys(numbers).length, `a number twice: ${JSON.stringify(numbers)}`);
  return names;
}
