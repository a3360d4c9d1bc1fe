// What an attempt means. The one place that reads HTTP status numbers as answers to a webhook.
// O1: only 2xx is safe. What is cut off in the middle is not: its receiver may have died over it.
// O2: `refused` is a verdict that may be about this very news, also where nothing but silence came back: a receiver may
//     choke on it. All else is about the endpoint, and no news is given up for it.

import type { PostEnd } from "./http-poster.ts";

export type Outcome =
  | { readonly kind: "safe" }
  | { readonly kind: "refused"; readonly reason: string }
  /** It asked for later. */
  | { readonly kind: "busy"; readonly reason: string; readonly retryAfterMs: number | undefined }
  /** Nobody was there. */
  | { readonly kind: "away"; readonly reason: string }
  /** It wants nothing any more. */
  | { readonly kind: "gone"; readonly reason: string };

export const OUTCOME_KINDS: readonly Outcome["kind"][] = ["safe", "refused", "busy", "away", "gone"];

/** `nowMs`: the wall clock, for a Retry-After that names a date. */
export function outcomeOf(end: PostEnd, nowMs: number): Outcome {
  if (end.kind === "unanswered") {
    const { reason } = end;
    return end.wasConnected ? { kind: "refused", reason } : { kind: "away", reason };
  }
  const { status } = end;
  const reason = `status ${status}`;
  if (status >= 200 && status <= 299) {
    return end.isComplete ? { kind: "safe" } : { kind: "refused", reason: `${reason}, cut off` };
  }
  if (status === 410) return { kind: "gone", reason };
  if (status === 429 || status === 503) return { kind: "busy", reason, retryAfterMs: msOf(end.retryAfter, nowMs) };
  return { kind: "refused", reason };
}

/** Seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); anything else says nothing. */
function msOf(retryAfter: string | undefined, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = / GMT$/.test(retryAfter) ? Date.parse(retryAfter) : Number.NaN;
  return at > nowMs ? at - nowMs : undefined;
}
