// What a payment token makes the simulator do. Two are Stripe's own test tokens; the `pm_sim_` ones exist to rehearse
// the hours in which a provider is slow, silent or wrong. Anything else is no payment method.

/** A `pm_sim_slow_<ms>` may ask for this long at most. */
export const SLOW_MS_MAX = 60_000;

/** As `pm_card_visa`; each of its webhooks is delivered twice. */
export const DUPLICATE_TOKEN = "pm_sim_duplicate";

export type TokenBehaviour =
  | { readonly kind: "succeeds" }
  | { readonly kind: "declined"; readonly declineCode: string }
  /** Authorised, and answered, after the delay. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** Never answered, and authorised all the same a while later: repeating the request then finds the success. */
  | { readonly kind: "late" }
  /** Never answered, never authorised. */
  | { readonly kind: "never" }
  /** Answered 500, never authorised. */
  | { readonly kind: "error" };

const SLOW = /^pm_sim_slow_(\d{1,5})$/;

/** `undefined`: there is no such payment method. */
export function behaviourOf(token: string): TokenBehaviour | undefined {
  switch (token) {
    case "pm_card_visa":
    case DUPLICATE_TOKEN:
      return { kind: "succeeds" };
    case "pm_card_chargeDeclined":
      return { kind: "declined", declineCode: "generic_decline" };
    case "pm_sim_late":
      return { kind: "late" };
    case "pm_sim_timeout":
      return { kind: "never" };
    case "pm_sim_error":
      return { kind: "error" };
    default: {
      const delayMs = Number(SLOW.exec(token)?.[1] ?? Number.NaN);
      return delayMs <= SLOW_MS_MAX ? { kind: "slow", delayMs } : undefined;
    }
  }
}
