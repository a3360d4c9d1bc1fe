// Sessions: signed tokens (JWT, HS256) made for anybody, checked on every request.
// S1: algorithm, issuer and audience are pinned; a token says nothing that its signature does not cover.
// S2: a token once verified is a Map look-up until it expires; the cache is bounded, and only valid tokens enter it.

import { randomBytes } from "node:crypto";
import { compactVerify, errors, SignJWT } from "jose";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { TwoGenerationCache } from "../../shared/kernel/two-generation-cache.ts";
import type { Clock } from "../../shared/platform/clock.ts";

const ISSUER = "usher";
const ALGORITHM = "HS256";
const SESSION_ID = /^[\x21-\x7e]{1,64}$/;
const SESSION_TTL_S = 24 * 3600;
/** A token of ours has about 230 characters; a longer one is not worth a hash. */
const TOKEN_LENGTH_MAX = 2048;
const VERIFIED_MAX = 100_000;

export type Scope = "admin" | "gate";

export interface Session {
  readonly id: SessionId;
  readonly scopes: readonly Scope[];
  /** Seconds since the epoch. */
  readonly expiresAtS: number;
}

export interface SessionsOptions {
  /** Shared by every gateway, at least 32 bytes. */
  readonly sessionKey: Uint8Array;
  /** Wall clock, milliseconds. */
  readonly clock: Clock;
}

export interface IssuedSession {
  readonly token: string;
  readonly session: Session;
}

export class Sessions {
  readonly #key: Uint8Array;
  readonly #clock: Clock;
  readonly #verified = new TwoGenerationCache<string, Session>(VERIFIED_MAX);

  constructor(options: SessionsOptions) {
    this.#key = options.sessionKey;
    this.#clock = options.clock;
  }

  /** A session for whoever asks: 128 random bits, no scope. */
  issueAnonymous(): Promise<IssuedSession> {
    return this.issue({ id: randomBytes(16).toString("base64url") as SessionId, scopes: [], ttlS: SESSION_TTL_S });
  }

  async issue(wanted: {
    readonly id: SessionId;
    readonly scopes: readonly Scope[];
    readonly ttlS: number;
  }): Promise<IssuedSession> {
    const issuedAtS = Math.floor(this.#clock.now() / 1000);
    const expiresAtS = issuedAtS + wanted.ttlS;
    const token = await new SignJWT({ scope: wanted.scopes.join(" ") })
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .setSubject(wanted.id)
      .setIssuer(ISSUER)
      .setAudience(ISSUER)
      .setIssuedAt(issuedAtS)
      .setExpirationTime(expiresAtS)
      .sign(this.#key);
    return { token, session: { id: wanted.id, scopes: wanted.scopes, expiresAtS } };
  }

  /** The session of a token seen before and still valid: no promise, so that the hot path makes none. */
  recall(token: string): Session | undefined {
    const session = this.#verified.get(token);
    return session !== undefined && session.expiresAtS * 1000 > this.#clock.now() ? session : undefined;
  }

  /** The session a token stands for, or `undefined` when it is not one of ours or is over. */
  async verify(token: string): Promise<Session | undefined> {
    if (token.length > TOKEN_LENGTH_MAX) return undefined;
    const session = await this.#read(token);
    if (session !== undefined) this.#verified.set(token, session);
    return session;
  }

  async #read(token: string): Promise<Session | undefined> {
    let claims: Record<string, unknown>;
    try {
      const { payload } = await compactVerify(token, this.#key, { algorithms: [ALGORITHM] });
      claims = JSON.parse(Buffer.from(payload).toString("utf8"));
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof SyntaxError) return undefined;
      throw error;
    }
    // By hand and not `jwtVerify`: that one asks the system's clock, and this class has one of its own.
    const { iss, aud, sub, iat, exp, scope } = claims;
    if (iss !== ISSUER || aud !== ISSUER || typeof iat !== "number") return undefined;
    if (typeof sub !== "string" || !SESSION_ID.test(sub)) return undefined;
    if (typeof exp !== "number" || exp * 1000 <= this.#clock.now()) return undefined;
    return { id: sub as SessionId, scopes: scopesOf(scope), expiresAtS: exp };
  }
}

function scopesOf(claim: unknown): Scope[] {
  if (typeof claim !== "string") return [];
  return claim.split(" ").filter((word): word is Scope => word === "admin" || word === "gate");
}

const BEARER = /^bearer +([A-Za-z0-9._-]+) *$/i;

/** The token of an `Authorization` header, or `undefined` when it is not a bearer token. */
export const bearerOf = (header: string): string | undefined =>
  // By far the most common spelling costs no regular expression.
  header.startsWith("Bearer ") && header.charCodeAt(7) > 32 ? header.slice(7) : BEARER.exec(header)?.[1];
