// Reads a request's JSON body within its limit.
// B1: no more than the limit is ever held. A declared length is judged before a byte is read and Node's parser keeps
//     the sender to it; a body without one is counted as it comes.
// B2: a body that is encoded is refused unread: what it would unpack to has no limit here.
// B3: what is handed on is valid UTF-8, parsed, and free of what validation.ts refuses everywhere.

import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { GatewayContext } from "./answer.ts";
import { headerOf } from "./headers.ts";
import { invalid, type Problem } from "./problem.ts";
import { valueFault } from "./validation.ts";

export const BODY_LIMIT_BYTES = 16 * 1024;

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

export type BodyResult = { readonly value: unknown } | { readonly problem: Problem };

const tooLarge = (limitBytes: number): { readonly problem: Problem } => ({
  problem: {
    code: "body_too_large",
    detail: `The body may have ${limitBytes} bytes; send less.`,
    errors: [{ field: "body", message: `must not be longer than ${limitBytes} bytes` }],
    // What is left of the body is not worth reading to reuse the connection.
    headers: { Connection: "close" },
  },
});

const malformed = (message: string): BodyResult => ({
  problem: { code: "malformed_json", detail: `The body ${message}.`, errors: [{ field: "body", message }] },
});

/** The body as it came, which may be nothing: for what is signed byte by byte. */
export async function readBytes(
  c: GatewayContext,
  limitBytes: number,
): Promise<{ readonly bytes: Buffer } | { readonly problem: Problem }> {
  const coding = headerOf(c, "content-encoding");
  if (coding !== undefined && coding.toLowerCase() !== "identity") return ENCODED;
  const declared = headerOf(c, "content-length");
  if (declared !== undefined && Number(declared) > limitBytes) return tooLarge(limitBytes);
  const incoming = c.env?.incoming;
  const raw = await (incoming === undefined
    ? readStream(c.req.raw.body, limitBytes)
    : readIncoming(incoming, limitBytes));
  if (raw === "too_large") return tooLarge(limitBytes);
  return raw === "gone" ? GONE : { bytes: raw };
}

/** `undefined` as value: there was no body. */
export async function readJson(c: GatewayContext, limitBytes: number): Promise<BodyResult> {
  const read = await readBytes(c, limitBytes);
  if ("problem" in read) return read;
  if (read.bytes.length === 0) return { value: undefined };
  const type = headerOf(c, "content-type");
  return type !== undefined && JSON_MEDIA_TYPE.test(type) ? parse(read.bytes) : NOT_JSON;
}

const NOT_JSON: BodyResult = {
  problem: {
    code: "unsupported_media_type",
    detail: "Send the body as JSON, with Content-Type: application/json.",
    errors: [{ field: "Content-Type", message: "must be application/json" }],
  },
};

const ENCODED: { readonly problem: Problem } = {
  problem: {
    code: "unsupported_media_type",
    detail: "Send the body as it is, without Content-Encoding.",
    errors: [{ field: "Content-Encoding", message: "must be identity or left out" }],
    headers: { "Accept-Encoding": "identity", Connection: "close" },
  },
};

/** Nobody is there to read it. */
const GONE: { readonly problem: Problem } = {
  problem: { code: "malformed_request", detail: "The connection ended before the body did." },
};

function parse(raw: Buffer): BodyResult {
  if (!isUtf8(raw)) return malformed("must be UTF-8");
  const text = raw.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed("must be well-formed JSON");
  }
  // A NUL or half a surrogate pair can come only as an escape: raw ones are not JSON, or not UTF-8. Depth is judged on
  // the same walk; schemas descend only as far as they are written, so a deep value without escapes does no harm.
  if (text.includes("\\u")) {
    const fault = valueFault(value);
    if (fault !== undefined) return { problem: invalid([fault]) };
  }
  return { value };
}

type RawBody = Buffer | "too_large" | "gone";

/**
 * From Node's own stream: through a web stream it costs a copy and several promises. The listeners have no names and
 * stay on: tsx gives every named inner function its name by a call each time, which was 2 µs a request here, and what
 * they do after the first `resolve` is nothing.
 */
function readIncoming(incoming: IncomingMessage, limitBytes: number): Promise<RawBody> {
  if (incoming.destroyed) return Promise.resolve("gone");
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming
      .on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= limitBytes) chunks.push(chunk);
        // What still comes is thrown away as it comes, until the answer has closed the connection.
        else resolve("too_large");
      })
      .on("end", () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
      .on("close", () => resolve("gone"))
      .on("error", () => resolve("gone"));
  });
}

/** Where there is no socket: `app.request()`. */
async function readStream(stream: Request["body"], limitBytes: number): Promise<RawBody> {
  if (stream === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    size += value.length;
    if (size > limitBytes) {
      // Not awaited: a sender that never ends must not keep its answer.
      reader.cancel().catch(() => undefined);
      return "too_large";
    }
    chunks.push(value);
  }
}
