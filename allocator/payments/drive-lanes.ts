// Which steps of payments wait for which (A5 of saga.ts): what nobody answers keeps neither new payments waiting nor the
// captures and voids of others.

import type { Payment } from "../core/state.ts";

/** Steps under way at once; further ones wait their turn. */
export const LANES = {
  /** First authorisations, and their captures after them. */
  begin: 512,
  /** Captures and voids of what is known to be authorised. */
  settle: 128,
  /** Repetitions for a booking that still waits for its payment. */
  ask: 64,
  /** Repetitions for one that was given up. */
  lost: 32,
  /** Look-ups of those. Stripe takes 20 searches a second. */
  lookUp: 8,
};
export type Lane = keyof typeof LANES;

export interface Urgency {
  /** Nobody was asked yet, and a confirm waits. */
  readonly isNew: boolean;
  /** The provider spoke of it. */
  readonly isHinted: boolean;
  /** It is not asked about by its key any more (A7). */
  readonly isOld: boolean;
}

export function laneOf({ reference, state }: Payment, { isNew, isHinted, isOld }: Urgency): Lane {
  if (reference !== undefined) return "settle";
  if (state === "begun") return isNew ? "begin" : isHinted ? "settle" : "ask";
  if (isOld) return "lookUp";
  return isHinted ? "settle" : "lost";
}
