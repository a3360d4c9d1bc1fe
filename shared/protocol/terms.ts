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
