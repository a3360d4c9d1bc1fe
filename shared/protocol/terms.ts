// The terms a show is sold on: what the catalogue says and the turn obeys. Times are milliseconds.

export interface ShowTerms {
  /** Price in minor units for each category of the layout, in the layout's category order. */
  readonly prices: readonly number[];
  /** ISO 4217. */
  readonly currency: string;
  readonly startsAt: number;
  /** From this moment nothing is sold; the line closes. */
  readonly salesCutoffAt: number;
  readonly holdTtlMs: number;
  readonly graceMs: number;
  readonly offerTtlMs: number;
  readonly waitlistPolicy: "strict" | "first_fit";
  readonly singleGap: "allow" | "reject";
  readonly gated: boolean;
  readonly cancelled: boolean;
}

export const SEATS_PER_SESSION_MAX = 10;

/** Equal as data: terms that were stored come back with their fields in another order. */
export function sameTerms(a: ShowTerms, b: ShowTerms): boolean {
  const { prices, ...rest } = a;
  return (
    prices.length === b.prices.length &&
    prices.every((price, i) => price === b.prices[i]) &&
    (Object.keys(rest) as (keyof typeof rest)[]).every((name) => a[name] === b[name])
  );
}
