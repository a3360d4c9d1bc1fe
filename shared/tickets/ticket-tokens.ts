// The e-ticket's token: a compact JWS (RFC 7515, EdDSA with Ed25519) that names one seat of one booking, and nobody.
// K1: it is the same whenever it is signed: Ed25519 has no randomness, the claims no time. So nothing has to be kept of
//     it, and any gateway signs the same.
// K2: a token is read by its signature first. Only the one header this gateway writes is accepted, byte for byte: no
//     other algorithm, no other key.
// K3: tokens signed lately are kept, at most KEPT_MAX; a signature costs some 35 µs, its verification 100.

import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { BookingId, ShowId } from "../kernel/ids.ts";
import { showOf } from "../kernel/ids.ts";
import { TwoGenerationCache } from "../kernel/two-generation-cache.ts";

export interface Ticket {
  readonly bookingId: BookingId;
  readonly showId: ShowId;
  /** The seat's label. */
  readonly seat: string;
}

export interface TicketJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/** Some 500 bytes each. */
const KEPT_MAX = 20_000;
/** Ours have some 310 characters, 430 with the longest ids; a longer one is not worth a hash. */
const TOKEN_LENGTH_MAX = 1024;
const SIGNATURE_BYTES = 64;
const TOKEN = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

const base64url = (text: string): string => Buffer.from(text, "utf8").toString("base64url");

export class TicketTokens {
  /** What a gate without a network checks tokens with. */
  readonly jwk: TicketJwk;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #header: string;
  readonly #kept = new TwoGenerationCache<string, { readonly token: string }>(KEPT_MAX);

  /** An Ed25519 private key, shared by every gateway. */
  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.#publicKey = createPublicKey(privateKey);
    const x = this.#publicKey.export({ format: "jwk" }).x;
    if (x === undefined) throw new Error("the ticket key is not an Ed25519 key");
    // RFC 7638: the key's thumbprint, its members in this order.
    const thumbprint = JSON.stringify({ crv: "Ed25519", kty: "OKP", x });
    const kid = createHash("sha256").update(thumbprint).digest("base64url");
    this.jwk = { kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" };
    this.#header = base64url(JSON.stringify({ alg: "EdDSA", kid, typ: "usher-ticket" }));
  }

  /** The token, if it was signed lately. */
  recall(bookingId: BookingId, seat: string): string | undefined {
    return this.#kept.get(`${bookingId} ${seat}`)?.token;
  }

  of(bookingId: BookingId, showId: ShowId, seat: string): string {
    const known = this.recall(bookingId, seat);
    if (known !== undefined) return known;
    const claims = base64url(JSON.stringify({ booking_id: bookingId, show_id: showId, seat }));
    const signed = `${this.#header}.${claims}`;
    const token = `${signed}.${sign(null, Buffer.from(signed), this.#privateKey).toString("base64url")}`;
    this.#kept.set(`${bookingId} ${seat}`, { token });
    return token;
  }

  /** What a token is the ticket of, or `undefined` when it is not one of ours. */
  read(token: string): Ticket | undefined {
    if (token.length > TOKEN_LENGTH_MAX) return undefined;
    const [, header, claims, signatureText] = TOKEN.exec(token) ?? [];
    if (header !== this.#header || claims === undefined || signatureText === undefined) return undefined;
    const signature = Buffer.from(signatureText, "base64url");
    if (signature.length !== SIGNATURE_BYTES || signature.toString("base64url") !== signatureText) return undefined;
    if (!verify(null, Buffer.from(`${header}.${claims}`), this.#publicKey, signature)) return undefined;
    return ticketFrom(JSON.parse(Buffer.from(claims, "base64url").toString("utf8")));
  }
}

/** Signed by us, yet perhaps by another version of us. */
function ticketFrom(claims: Readonly<Record<string, unknown>>): Ticket | undefined {
  const { booking_id: bookingId, show_id: showId, seat } = claims;
  if (typeof bookingId !== "string" || typeof showId !== "string" || typeof seat !== "string") return undefined;
  if (showOf(bookingId) !== showId) return undefined;
  return { bookingId: bookingId as BookingId, showId: showId as ShowId, seat };
}
