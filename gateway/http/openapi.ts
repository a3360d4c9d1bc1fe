// From an endpoint to its entry in the OpenAPI 3.1 document: parameters, body, answers, and the problems it can give,
// with those that every such endpoint can give added here once.

import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { type GatewayEnv, JSON_TYPE } from "./answer.ts";
import type { Endpoint } from "./endpoint.ts";
import { KEY_HEADER } from "./idempotency.ts";
import { PROBLEM_CODES, PROBLEM_TYPE, type ProblemCode, statusOf, titleOf } from "./problem.ts";

const text = (description: string) => z.string().optional().openapi({ description });
const count = (description: string) => z.int().optional().openapi({ description });
const where = (...codes: ProblemCode[]): string => `With ${codes.map((code) => `\`${code}\``).join(", ")}.`;

const PROBLEM_SCHEMA = z
  .object({
    type: z.string().openapi({ description: "`urn:usher:problem:` and the code." }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: "What happened and what to do next, for people." }),
    instance: z.string().openapi({ description: "The path asked for." }),
    code: z.enum(PROBLEM_CODES).openapi({
      description: PROBLEM_CODES.map((code) => `\`${code}\` ${statusOf(code)} ${titleOf(code)}`).join("; "),
    }),
    retryable: z.boolean().openapi({ description: "The very same request may succeed later." }),
    request_id: z.string().openapi({ description: "What to quote when asking for help." }),
    seats: z.array(z.string()).optional().openapi({
      description:
        "Labels of the seats it is about. With `single_gap` the nearest block that is allowed; left out where there are none.",
    }),
    free: count("Free seats that this request could be given."),
    retry_after_s: count("As the header `Retry-After`."),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .openapi({ description: "Each field of the body, parameter or header that is wrong." }),
    waiter_id: text(`${where("already_waiting")} The place in the line that there is.`),
    waiter_state: text(`${where("offer_lapsed", "waiter_finished")} How the place in the line ended.`),
    lock_id: text(`${where("offer_lapsed")} The hold that the offer became, where it was taken.`),
    stranded: text(`${where("single_gap")} The seat that would be left alone.`),
    held: count(`${where("hold_limit")} Seats that the session holds, is offered and waits for.`),
    expires_at: text(`${where("already_extended")} When the hold runs out.`),
    booking_status: text(`${where("hold_expired")} How the hold ended.`),
    reason: text(`${where("payment_declined")} The payment gateway's word for it.`),
    not_ready: z
      .array(z.string())
      .optional()
      .openapi({ description: `${where("not_ready")} What is waited for.` }),
  })
  .openapi("Problem");

export const SESSION_SCHEME = "session";

type Registered = Parameters<OpenAPIHono["openAPIRegistry"]["registerPath"]>[0];

export function describeEndpoint(app: OpenAPIHono<GatewayEnv>, endpoint: Endpoint): void {
  const request: Record<string, unknown> = {};
  if (endpoint.params !== undefined) request.params = endpoint.params;
  if (endpoint.query !== undefined) request.query = endpoint.query;
  if (endpoint.idempotent) {
    request.headers = z.object({
      [KEY_HEADER]: z.string().openapi({
        pattern: "^[\\x21-\\x7e]{1,128}$",
        description: "A value of your own; the same when you ask again. `Idempotency-Key` will do as well.",
      }),
    });
  }
  if (endpoint.body !== undefined) {
    request.body = {
      required: endpoint.body.optional !== true,
      content: { [JSON_TYPE]: { schema: endpoint.body.schema } },
    };
  }
  const described: Registered = {
    method: endpoint.method,
    path: endpoint.path,
    tags: [endpoint.tag],
    summary: endpoint.summary,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    ...(endpoint.access === "public" ? {} : { security: [{ [SESSION_SCHEME]: [] }] }),
    request: request as NonNullable<Registered["request"]>,
    responses: { ...answersOf(endpoint), ...problemsOf(endpoint) },
  };
  app.openAPIRegistry.registerPath(described);
}

function answersOf(endpoint: Endpoint): Registered["responses"] {
  const responses: Registered["responses"] = {};
  for (const [status, answer] of Object.entries(endpoint.answers)) {
    const headers = Object.fromEntries(
      Object.entries(answer.headers ?? {}).map(([name, description]) => [
        name,
        { description, schema: { type: "string" as const } },
      ]),
    );
    responses[status] = {
      description: answer.description,
      headers,
      ...(answer.schema === undefined && answer.contentType === undefined
        ? {}
        : { content: { [answer.contentType ?? JSON_TYPE]: { schema: answer.schema ?? z.string() } } }),
    };
  }
  return responses;
}

function problemsOf(endpoint: Endpoint): Registered["responses"] {
  const codes = new Set<ProblemCode>(endpoint.problems);
  if (endpoint.access !== "public") codes.add("unauthorized");
  if (endpoint.access === "admin" || endpoint.access === "gate") codes.add("forbidden");
  if (endpoint.params !== undefined) codes.add("not_found");
  if (endpoint.idempotent) codes.add("idempotency_key_required").add("idempotency_key_invalid");
  if (endpoint.query !== undefined || endpoint.body !== undefined) codes.add("validation_failed");
  if (endpoint.body !== undefined) codes.add("malformed_json").add("unsupported_media_type").add("body_too_large");
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) byStatus.set(statusOf(code), [...(byStatus.get(statusOf(code)) ?? []), code]);
  const responses: Registered["responses"] = {};
  for (const [status, names] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[status] = {
      description: names.map((name) => `\`${name}\``).join(", "),
      content: { [PROBLEM_TYPE]: { schema: PROBLEM_SCHEMA } },
    };
  }
  return responses;
}
