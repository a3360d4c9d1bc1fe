// An answer rendered once and sent many times: its bytes, and the validator by which a client asks whether it has them.

import { createHash } from "node:crypto";
import { type Answer, bytes, empty, type GatewayContext, JSON_TYPE } from "../http/answer.ts";
import { headerOf } from "../http/headers.ts";

export interface ReadyAnswer {
  /** UTF-8 JSON; never changed. */
  readonly body: Uint8Array;
  /** Strong, quotes included. */
  readonly etag: string;
}

/** May be kept, but asked about each time: a booking or an import shows at once. */
export const REVALIDATE = "public, no-cache";
export const IMMUTABLE = "public, max-age=31536000, immutable";

const ETAG_CHARACTERS = 22;

export function render(value: object): ReadyAnswer {
  const body = Buffer.from(JSON.stringify(value));
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, ETAG_CHARACTERS)}"` };
}

/** 200 with the body, or 304 when the client says that it has it. */
export function answerReady(context: GatewayContext, ready: ReadyAnswer, cacheControl: string): Answer {
  const headers = { ETag: ready.etag, "Cache-Control": cacheControl };
  const known = headerOf(context, "if-none-match");
  if (known !== undefined && matches(known, ready.etag)) return empty(304, headers);
  return bytes(200, JSON_TYPE, ready.body, headers);
}

/** RFC 9110, 13.1.2: the weak comparison. Our tags have no commas, so a list may be split at them. */
function matches(header: string, etag: string): boolean {
  if (header === etag) return true;
  return header.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
