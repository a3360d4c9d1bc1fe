// Mails by SMTP: nodemailer's pool, with everything bounded, and what its errors mean.
// S1: an answer to RCPT TO or to the message is about this mail; anything else (no connection, no TLS, wrong password,
//     a sender that is refused) is about the mail server, and would be so for every mail.
// S2: a password is never sent in the clear, except to this machine. Where no password is sent, TLS is taken when it is
//     offered, whatever its certificate: better than none, and nobody is fooled who could not just leave it away.
// S3: an attempt that takes longer than SEND_MAX_MS is cut off, also where the server trickles its answers.

import { isIP } from "node:net";
import { createTransport, type NodemailerError, type SMTPPoolOptions } from "nodemailer";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import { type Carrier, DELIVERED, type Delivery, type Mail } from "./carrier.ts";
import { compose } from "./compose.ts";

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (`smtps:`); else STARTTLS (S2). */
  readonly isTlsFirst: boolean;
  readonly login: { readonly user: string; readonly pass: string } | undefined;
}

export interface SmtpCarrierOptions {
  readonly server: SmtpServer;
  /** Mails a second, at most. */
  readonly ratePerS: number;
  readonly timers: Timers;
  readonly bounds?: Partial<SmtpBounds>;
}

export interface SmtpBounds {
  readonly connectMs: number;
  /** Without a byte. */
  readonly silenceMs: number;
  readonly sendMs: number;
}

export const SEND_MAX_MS = 60_000;
const BOUNDS: SmtpBounds = { connectMs: 10_000, silenceMs: 30_000, sendMs: SEND_MAX_MS };
export const CONNECTIONS_MAX = 4;
const MAILS_PER_CONNECTION_MAX = 100;
const RESPONSE_BYTES_MAX = 64 * 1024;
/** Only where the server had closed an idle connection and nothing was sent. */
const REQUEUES_MAX = 1;

export class SmtpCarrier implements Carrier {
  readonly #pool;
  readonly #timers: Timers;
  readonly #sendMs: number;
  readonly #underWay = new Set<AbortController>();

  constructor({ server, ratePerS, timers, bounds }: SmtpCarrierOptions) {
    const limits = { ...BOUNDS, ...bounds };
    this.#timers = timers;
    this.#sendMs = limits.sendMs;
    this.#pool = createTransport(poolOptions(server, ratePerS, limits));
    // Its failures are told by each delivery; unheard, one would end the process.
    this.#pool.on("error", () => undefined);
  }

  async deliver(mail: Mail): Promise<Delivery> {
    const attempt = new AbortController();
    const bound: TimerHandle = this.#timers.setTimeout(() => attempt.abort(), this.#sendMs);
    this.#underWay.add(attempt);
    try {
      await this.#pool.sendMail({ ...compose(mail), signal: attempt.signal });
      return DELIVERED;
    } catch (error) {
      return meaningOf(error as NodemailerError);
    } finally {
      this.#timers.clearTimeout(bound);
      this.#underWay.delete(attempt);
    }
  }

  close(): void {
    this.#pool.close();
    for (const attempt of this.#underWay) attempt.abort();
  }
}

function poolOptions(server: SmtpServer, ratePerS: number, bounds: SmtpBounds): SMTPPoolOptions & { pool: true } {
  const { host, port, isTlsFirst, login } = server;
  const mustBeSecret = isTlsFirst || (login !== undefined && !isThisMachine(host));
  return {
    pool: true,
    host,
    port,
    secure: isTlsFirst,
    ...(login === undefined ? {} : { auth: { ...login } }),
    requireTLS: mustBeSecret && !isTlsFirst,
    opportunisticTLS: !mustBeSecret,
    tls: { rejectUnauthorized: mustBeSecret },
    maxConnections: CONNECTIONS_MAX,
    maxMessages: MAILS_PER_CONNECTION_MAX,
    maxRequeues: REQUEUES_MAX,
    rateDelta: 1_000,
    rateLimit: ratePerS,
    dnsTimeout: bounds.connectMs,
    connectionTimeout: bounds.connectMs,
    greetingTimeout: bounds.connectMs,
    socketTimeout: bounds.silenceMs,
    maxResponseSize: RESPONSE_BYTES_MAX,
    allowInternalNetworkInterfaces: true,
  };
}

const isThisMachine = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/** Enhanced codes (RFC 3463) whose subject is the mail system or the network: not this mail. */
const OF_THE_SYSTEM = /^4\.[34]\./;

export function meaningOf(error: NodemailerError): Delivery {
  const { code, command, responseCode, permanent } = error;
  const reason = reasonOf(error);
  const isAboutMail =
    (code === "EENVELOPE" && command !== "MAIL FROM") ||
    code === "EMESSAGE" ||
    // 552: it is larger than the server takes.
    (command === "MAIL FROM" && responseCode === 552);
  if (!isAboutMail) return { kind: "away", reason };
  // No answer: nodemailer itself found that it cannot be sent.
  if (responseCode === undefined || permanent === true) return { kind: "refused", reason };
  const isAboutServer = responseCode === 421 || responseCode === 503 || OF_THE_SYSTEM.test(enhancedCodeOf(error));
  return { kind: isAboutServer ? "away" : "deferred", reason };
}

const enhancedCodeOf = ({ response }: NodemailerError): string =>
  /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(response ?? "")?.[1] ?? "";

/** `RCPT TO 550 5.1.1`, `ESOCKET ECONNREFUSED` (R2). */
function reasonOf(error: NodemailerError): string {
  const { code, originalCode, command, responseCode } = error;
  const parts =
    responseCode === undefined ? [code, originalCode] : [command, String(responseCode), enhancedCodeOf(error)];
  return parts.filter((part) => part !== undefined && part !== "").join(" ") || error.name;
}
