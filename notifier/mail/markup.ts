// HTML that cannot be broken out of: what is put into a template is text and escaped, unless it is Markup itself.

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export class Markup {
  readonly text: string;

  /** Only `html` makes one. */
  constructor(text: string) {
    this.text = text;
  }
}

export type Inset = string | Markup | readonly Markup[];

export function html(parts: TemplateStringsArray, ...insets: readonly Inset[]): Markup {
  return new Markup(parts.map((part, i) => part + written(insets[i] ?? "")).join(""));
}

function written(inset: Inset): string {
  if (typeof inset === "string") return inset.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
  if (inset instanceof Markup) return inset.text;
  return inset.map(({ text }) => text).join("");
}
