// POST /v1/sessions: a session for anybody. The only mutation without a key: it is nobody's yet.

import { z } from "@hono/zod-openapi";
import { json } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import type { Sessions } from "../http/session.ts";

const SESSION = z
  .object({ token: z.string(), session_id: z.string(), expires_at: z.iso.datetime() })
  .openapi("Session");

export const sessionEndpoints = (sessions: Sessions): Endpoint[] => [
  endpoint({
    method: "post",
    path: "/v1/sessions",
    tag: "sessions",
    summary: "Start a session",
    description: "An anonymous session for 24 hours. Send its token as `Authorization: Bearer`.",
    access: "public",
    idempotent: false,
    body: { schema: z.strictObject({}), optional: true },
    answers: { 201: { description: "The session", schema: SESSION } },
    problems: [],
    handle: async () => {
      const { token, session } = await sessions.issueAnonymous();
      return json(201, { token, session_id: session.id, expires_at: rfc3339(session.expiresAtS * 1000) });
    },
  }),
];
