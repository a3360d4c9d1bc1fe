// Signs webhooks as Standard Webhooks says, so that their receivers can use the libraries that are there for it.
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
// K1: several secrets sign at once, in the order given: while a secret is replaced, receivers may know either.

import { createHmac } from "node:crypto";
import { ok, type Parsed, wrong } from "./parsed.ts";

export const SECRET_PREFIX = "whsec_";
export const SECRETS_MAX = 4;
const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;

/** Never repeats a secret. */
export function parseSecrets(text: string): Parsed<readonly Buffer[]> {
  const secrets = text.split(/[\s,]+/).filter((part) => part !== "");
  if (secrets.length === 0) return wrong("names no secret");
  if (secrets.length > SECRETS_MAX) return wrong(`names ${secrets.length} secrets; at most ${SECRETS_MAX} can sign`);
  const keys: Buffer[] = [];
  const problems: string[] = [];
  for (const [index, secret] of secrets.entries()) {
    const parsed = parseSecret(secret);
    if (parsed.kind === "ok") keys.push(parsed.value);
    else problems.push(`secret ${index + 1} ${parsed.problem}`);
  }
  if (problems.length === 0) return ok(keys);
  return wrong(
    `must be ${SECRET_PREFIX} and ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes in base64: ${problems.join("; ")}`,
  );
}

function parseSecret(secret: string): Parsed<Buffer> {
  if (!secret.startsWith(SECRET_PREFIX)) return wrong(`does not begin with ${SECRET_PREFIX}`);
  const encoded = secret.slice(SECRET_PREFIX.length);
  const key = Buffer.from(encoded, "base64");
  // Node reads over what is not base64; a receiver's library does not, and would make another key of it.
  if (key.toString("base64") !== encoded) return wrong("is not base64 (with its = at the end)");
  if (key.length < KEY_BYTES_MIN || key.length > KEY_BYTES_MAX) return wrong(`has ${key.length} bytes`);
  return ok(key);
}

export interface Signed {
  /** No full stop in it: it would let one text stand for another. */
  readonly id: string;
  /** Of the attempt, seconds since 1970. */
  readonly timestampS: number;
  /** The very bytes that are sent. */
  readonly body: Uint8Array;
}

/** The value of `webhook-signature`. */
export function signatureOf(keys: readonly Uint8Array[], { id, timestampS, body }: Signed): string {
  return keys
    .map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestampS}.`).update(body).digest("base64")}`)
    .join(" ");
}
