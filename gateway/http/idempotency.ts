// Idempotency keys: from the header to the command's `operation`.
// I1: the operation's id is a keyed hash of (session, show, key): nobody can guess it or aim at another session's, and
//     a replay finds its row by primary key on any gateway.
// I2: the fingerprint covers route and parsed body, so white space and the order of fields do not make a new request.

import type { OperationId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import { KeyedHash } from "./keyed-hash.ts";
import { invalidField, type Problem } from "./problem.ts";

/** 1–128 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,128}$/;
const OPERATION_ID_LENGTH = 22;

export const KEY_HEADER = "X-Idempotency-Key";
const KEY_HEADER_STANDARD = "Idempotency-Key";

/** The key of a request, or the problem with it. Either header will do; both must agree. */
export function readKey(vendor: string | undefined, standard: string | undefined): string | Problem {
  const key = vendor ?? standard;
  if (key === undefined) {
    return {
      code: "idempotency_key_required",
      detail: `Send ${KEY_HEADER} with a value of your own, the same when you ask again.`,
      errors: [{ field: KEY_HEADER, message: "is required" }],
    };
  }
  if (vendor !== undefined && standard !== undefined && vendor !== standard) {
    return keyProblem(`must be the same as ${KEY_HEADER_STANDARD} where both are sent`);
  }
  return KEY.test(key) ? key : keyProblem("must be 1 to 128 visible ASCII characters");
}

const keyProblem = (message: string): Problem => ({
  ...invalidField(KEY_HEADER, message),
  code: "idempotency_key_invalid",
});

/** What makes up one request, in a fixed order: its route, then its parsed fields. */
export type RequestParts = readonly (string | number | boolean | undefined | readonly (string | number)[])[];

export class Operations {
  readonly #hash: KeyedHash;

  /** `operationKey`: shared by every gateway, 32 bytes. */
  constructor(operationKey: Uint8Array) {
    this.#hash = new KeyedHash(operationKey);
  }

  of(session: SessionId, showId: ShowId, key: string, request: RequestParts): Operation {
    const mac = this.#hash.of(`${session}\0${showId}\0${key}`);
    return { id: mac.slice(0, OPERATION_ID_LENGTH) as OperationId, requestHash: fingerprint(JSON.stringify(request)) };
  }
}

/**
 * 53 bits of a text: cyrb53 by bryc (public domain). Not a wall against anybody: a caller who collides it only fools
 * its own key. Stored with bookings, so it never changes.
 */
export function fingerprint(text: string): number {
  let h1 = 0xdeadbeef;
  let h2 = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ unit, 2_654_435_761);
    h2 = Math.imul(h2 ^ unit, 1_597_334_677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2_246_822_507) ^ Math.imul(h2 ^ (h2 >>> 13), 3_266_489_909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2_246_822_507) ^ Math.imul(h1 ^ (h1 >>> 13), 3_266_489_909);
  return 4_294_967_296 * (h2 & 0x1f_ffff) + (h1 >>> 0);
}
