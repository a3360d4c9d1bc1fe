// What became of reading a text: its value, or what is wrong with it, in words that complete the sentence "NAME …".

export type Parsed<Value> =
  | { readonly kind: "ok"; readonly value: Value }
  | { readonly kind: "wrong"; readonly problem: string };

export const ok = <Value>(value: Value): Parsed<Value> => ({ kind: "ok", value });
export const wrong = (problem: string): Parsed<never> => ({ kind: "wrong", problem });
