// Postgres array literals for `unnest($1::text[], …)`, built by hand: node-postgres walks every element through its
// generic conversion, which at 10,000 rows a second is the most expensive line of a commit.
// L1: a text element is always quoted, so no id can be mistaken for NULL.

const NEEDS_ESCAPE = /["\\]/;

const quoted = (text: string): string =>
  `"${NEEDS_ESCAPE.test(text) ? text.replace(/["\\]/g, (character) => `\\${character}`) : text}"`;

export class Column {
  #literal = "";

  text(value: string | undefined): void {
    this.#push(value === undefined ? "NULL" : quoted(value));
  }

  number(value: number | undefined): void {
    this.#push(value === undefined ? "NULL" : String(value));
  }

  boolean(value: boolean): void {
    this.#push(value ? "t" : "f");
  }

  /** A list of numbers as the text of an array, to be cast in the statement. */
  numbers(values: readonly number[]): void {
    this.#push(`"{${values.join(",")}}"`);
  }

  #push(element: string): void {
    this.#literal += this.#literal === "" ? element : `,${element}`;
  }

  toLiteral(): string {
    return `{${this.#literal}}`;
  }
}
