// RFC 9457 problems: the only place that knows status numbers. Refusals and faults of shared/protocol/reply.ts come in,
// `application/problem+json` goes out; each says what to do next.
// R1: every code of the protocol has a row in `CODES`, or this file does not compile. What a refusal says is in refusal.ts.
// R2: a problem never carries what the server knows about itself: no stack, no query, no other session's data.
// R3: seats are labels here; indices end at this border.

import { assertNever } from "../../shared/kernel/assert.ts";
import type { Fault, RefusalCode } from "../../shared/protocol/reply.ts";
import type { Answer } from "./answer.ts";

type HttpCode =
  | "validation_failed"
  | "malformed_json"
  | "unsupported_media_type"
  | "body_too_large"
  | "idempotency_key_required"
  | "idempotency_key_invalid"
  | "unauthorized"
  | "forbidden"
  | "method_not_allowed"
  | "malformed_request"
  | "signature_invalid"
  | "headers_too_large"
  | "expectation_failed"
  | "request_timeout"
  | "conflict"
  | "not_booked"
  | "not_ready"
  | "internal_error";

export type ProblemCode = RefusalCode | Fault["code"] | HttpCode;

export interface FieldError {
  /** Where in the body, query or headers, e.g. `seat_ids.2` or `X-Idempotency-Key`. */
  readonly field: string;
  readonly message: string;
}

type Member = "type" | "title" | "status" | "detail" | "instance" | "code" | "retryable" | "request_id";

export interface Problem {
  readonly code: ProblemCode;
  /** What happened and what to do next, for the person who reads it. */
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  /** Labels; left out where there are none. */
  readonly seats?: readonly string[];
  readonly free?: number;
  readonly retryAfterS?: number;
  /** Further members, already in the API's words; none may take the place of one that every problem has. */
  readonly more?: Readonly<Record<string, unknown>> & { readonly [Name in Member]?: never };
  readonly headers?: Readonly<Record<string, string>>;
}

interface CodeRow {
  readonly status: number;
  readonly title: string;
  /** The very same request may succeed later without being changed. */
  readonly retryable: boolean;
}

const row = (status: number, title: string): CodeRow => ({ status, title, retryable: false });
const retryableRow = (status: number, title: string): CodeRow => ({ status, title, retryable: true });

const CODES: Readonly<Record<ProblemCode, CodeRow>> = {
  not_found: row(404, "Not found"),
  sales_closed: row(409, "Sales are closed"),
  not_admitted: row(403, "Not admitted yet"),
  hold_limit: row(409, "Too many seats for one session"),
  show_full: row(409, "The show is full"),
  waitlist_active: row(409, "People are waiting for these seats"),
  retry_held: retryableRow(409, "Seats are held by others"),
  seats_taken: row(409, "Seats are taken"),
  single_gap: row(409, "A single seat would be left over"),
  no_contiguous_block: row(409, "No adjacent seats"),
  already_extended: row(409, "Already extended"),
  hold_expired: row(410, "The hold is over"),
  payment_in_progress: retryableRow(409, "A payment is in progress"),
  payment_declined: row(402, "The payment was declined"),
  already_booked: row(409, "Already booked"),
  cancellation_closed: row(409, "Too late to cancel"),
  ticket_used: row(409, "A ticket was used"),
  ticket_cancelled: row(410, "The booking is cancelled"),
  already_waiting: row(409, "Already in this line"),
  seats_available: row(409, "Seats are available"),
  waitlist_full: retryableRow(503, "The line is full"),
  no_offer: retryableRow(409, "There is no offer yet"),
  offer_lapsed: row(410, "The offer is over"),
  offer_open: row(409, "An offer is open"),
  waiter_finished: row(409, "No longer in this line"),
  quantity_not_lower: row(422, "Not fewer seats"),
  wrong_swap: row(422, "Not the seats this offer can be changed for"),
  idempotency_key_reused: row(422, "The idempotency key was used for another request"),
  store_unavailable: retryableRow(503, "The store does not answer"),
  overloaded: retryableRow(503, "Too busy"),
  payment_unavailable: retryableRow(503, "Payments are not possible now"),
  show_quarantined: retryableRow(503, "The show is being checked"),
  allocators_unreachable: retryableRow(503, "The engine cannot be reached"),
  outcome_pending: retryableRow(503, "The outcome is not known yet"),
  validation_failed: row(422, "The request is not valid"),
  malformed_json: row(400, "The body is not JSON"),
  unsupported_media_type: row(415, "The body must be JSON"),
  body_too_large: row(413, "The body is too large"),
  idempotency_key_required: row(400, "An idempotency key is required"),
  idempotency_key_invalid: row(400, "The idempotency key is not valid"),
  unauthorized: row(401, "A session is required"),
  forbidden: row(403, "Not allowed"),
  method_not_allowed: row(405, "Method not allowed"),
  malformed_request: row(400, "Not a well-formed request"),
  signature_invalid: row(400, "The signature is not valid"),
  expectation_failed: row(417, "The expectation cannot be met"),
  headers_too_large: row(431, "The headers are too large"),
  request_timeout: retryableRow(408, "The request took too long"),
  conflict: row(409, "Conflict"),
  not_booked: row(409, "Not booked"),
  not_ready: retryableRow(503, "Not ready"),
  internal_error: retryableRow(500, "Something went wrong here"),
};

/** Every code there is. */
export const PROBLEM_CODES = Object.keys(CODES) as readonly ProblemCode[];

export const PROBLEM_TYPE = "application/problem+json";

export const statusOf = (code: ProblemCode): number => CODES[code].status;
export const titleOf = (code: ProblemCode): string => CODES[code].title;

/** `instance` is the path asked for; `requestId` is what to quote when asking for help. */
export function problemAnswer(problem: Problem, instance: string, requestId: string): Answer {
  const { status, title, retryable } = CODES[problem.code];
  const body = {
    type: `urn:usher:problem:${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance,
    code: problem.code,
    retryable,
    request_id: requestId,
    seats: problem.seats?.length === 0 ? undefined : problem.seats,
    free: problem.free,
    retry_after_s: problem.retryAfterS,
    errors: problem.errors,
    ...problem.more,
  };
  const headers =
    problem.retryAfterS === undefined
      ? problem.headers
      : { ...problem.headers, "Retry-After": String(problem.retryAfterS) };
  return { status, contentType: PROBLEM_TYPE, body: JSON.stringify(body), headers };
}

/** Of what belongs to nobody: shows, movies, layouts. */
export const notFound = (what: string): Problem => ({ code: "not_found", detail: `There is no such ${what}.` });

/** Of what belongs to a session: whether it is there at all is not said to others. */
export const notYours = (what: string): Problem => ({
  code: "not_found",
  detail: `There is no such ${what}, or it is not yours.`,
});

/** To an id that is malformed. */
export const NOTHING_NAMED_SO: Problem = { code: "not_found", detail: "There is nothing with this id." };

/** What a gateway that drains says instead of keeping anybody waiting. */
export const STOPPING: Problem = {
  code: "overloaded",
  detail: "This server is stopping. Nothing was done; ask again, another one answers.",
  retryAfterS: 1,
};

export const invalid = (errors: readonly FieldError[]): Problem => ({
  code: "validation_failed",
  detail: errors.map((error) => `${error.field}: ${error.message}`).join("; "),
  errors,
});

export const invalidField = (field: string, message: string): Problem => invalid([{ field, message }]);

/** Seconds for `Retry-After`: whole, at least one. */
const retryAfterSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

export function faultProblem(fault: Fault): Problem {
  return {
    code: fault.code,
    detail: `${faultDetail(fault.code)}${outcomeDetail(fault.outcome)}`,
    retryAfterS: retryAfterSeconds(fault.retryAfterMs),
  };
}

function faultDetail(code: Fault["code"]): string {
  switch (code) {
    case "store_unavailable":
      return "The store cannot be reached now; holds do not run out meanwhile.";
    case "overloaded":
      return "There are more requests than can be answered in time.";
    case "payment_unavailable":
      return "The payment gateway cannot be reached now; your hold stays as it was.";
    case "show_quarantined":
      return "This show is closed while its records are checked.";
    case "allocators_unreachable":
      return "The nodes that keep the seats cannot be reached now; holds are safe with them.";
    case "outcome_pending":
      return "The answer did not come in time.";
    default:
      return assertNever(code);
  }
}

const outcomeDetail = (outcome: Fault["outcome"]): string =>
  outcome === "none"
    ? " Nothing was done; ask again later."
    : " It may or may not have been done: ask again with the same idempotency key to learn which.";
