// The environment, read once: every bad key is reported by name, all at once, or there is a frozen configuration.

import { resolve } from "node:path";
import type { Mailbox } from "../notifier/mail/carrier.ts";
import type { SmtpServer } from "../notifier/mail/smtp-carrier.ts";
import type { WebhookChoice } from "../notifier/webhooks/webhooks.ts";
import type { LogLevel } from "../shared/platform/log.ts";
import type { NatsAddress } from "../shared/platform/nats-address.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { type PaymentChoice, SETTINGS, type Setting, SettingProblem, UNSUPPORTED } from "./settings.ts";

export interface Config {
  readonly port: number;
  readonly host: string;
  /** `undefined`: an allocator answers no HTTP. */
  readonly healthPort: number | undefined;
  /** Absolute. */
  readonly dataDir: string;
  /** `undefined`: the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  /** `undefined`: there is no cluster, and the news stays in the process. */
  readonly nats: NatsAddress | undefined;
  readonly newsMaxAgeMs: number;
  readonly payment: PaymentChoice;
  readonly paymentKey: string | undefined;
  /** Empty where none is set. */
  readonly paymentWebhookSecrets: readonly string[];
  readonly paymentLookUpAfterMs: number;
  readonly holdTtlMs: number;
  readonly holdGraceMs: number;
  readonly payTtlMs: number;
  readonly offerTtlMs: number;
  readonly cancelUntilMs: number;
  readonly releaseOnDecline: boolean;
  /** `undefined`: mails are written to a folder. */
  readonly smtp: SmtpServer | undefined;
  readonly mailFrom: Mailbox | undefined;
  readonly mailRatePerS: number;
  /** 0: no limits of this kind. */
  readonly bookingAttemptsPerMin: number;
  /** `undefined`: nobody is told by webhooks. */
  readonly webhooks: WebhookChoice | undefined;
  readonly logLevel: LogLevel;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line says, over the environment. Checked by the same rules. */
export interface Flags {
  readonly port?: string | undefined;
  readonly data?: string | undefined;
}

/** Throws the StartFault `config` naming every bad variable, or `usage` naming the bad flags. */
export function readConfig(env: Environment, flags: Flags = {}): Config {
  const flagReader = new Reader({ PORT: flags.port, USHER_DATA: flags.data }, { PORT: "--port", USHER_DATA: "--data" });
  const port = flagReader.given(SETTINGS.PORT);
  const data = flagReader.given(SETTINGS.USHER_DATA);
  if (flagReader.problems.length > 0) throw new StartFault("usage", flagReader.problems.join("\n"));

  const reader = new Reader(env);
  const read = <Value>(setting: Setting<Value>): Value => reader.read(setting);
  const payment = reader.given(SETTINGS.PAYMENT_URL) ?? { kind: "simulator" as const };
  const paymentKey = reader.given(SETTINGS.PAYMENT_KEY);
  if (payment.kind === "http" && paymentKey === undefined) reader.problem("PAYMENT_KEY", "is needed by PAYMENT_URL");
  const smtp = reader.given(SETTINGS.SMTP_URL);
  const mailFrom = reader.given(SETTINGS.MAIL_FROM);
  // A wrong one is told already.
  if (smtp !== undefined && (env.MAIL_FROM ?? "") === "") reader.problem("MAIL_FROM", "is needed by SMTP_URL");
  for (const [name, problem] of Object.entries(UNSUPPORTED)) {
    if ((env[name] ?? "") !== "") reader.problem(name, problem);
  }
  const config: Config = {
    port: port ?? read(SETTINGS.PORT),
    host: read(SETTINGS.HOST),
    healthPort: reader.given(SETTINGS.HEALTH_PORT),
    dataDir: resolve(data ?? read(SETTINGS.USHER_DATA)),
    databaseUrl: reader.given(SETTINGS.DATABASE_URLS)?.[0],
    nats: reader.given(SETTINGS.NATS_URL),
    newsMaxAgeMs: read(SETTINGS.NEWS_MAX_AGE_S) * 1000,
    payment,
    paymentKey,
    paymentWebhookSecrets: reader.given(SETTINGS.PAYMENT_WEBHOOK_SECRET) ?? [],
    paymentLookUpAfterMs: read(SETTINGS.PAYMENT_LOOKUP_AFTER_S) * 1000,
    holdTtlMs: read(SETTINGS.HOLD_TTL_S) * 1000,
    holdGraceMs: read(SETTINGS.HOLD_GRACE_S) * 1000,
    payTtlMs: read(SETTINGS.PAY_TTL_S) * 1000,
    offerTtlMs: read(SETTINGS.OFFER_TTL_S) * 1000,
    cancelUntilMs: read(SETTINGS.CANCEL_UNTIL_S) * 1000,
    releaseOnDecline: read(SETTINGS.RELEASE_ON_DECLINE),
    smtp,
    mailFrom,
    mailRatePerS: read(SETTINGS.MAIL_RATE_PER_S),
    bookingAttemptsPerMin: read(SETTINGS.BOOKING_ATTEMPTS_PER_MIN),
    webhooks: readWebhooks(reader),
    logLevel: read(SETTINGS.LOG_LEVEL),
  };
  if (reader.problems.length > 0) throw new StartFault("config", reader.problems.join("\n"));
  return Object.freeze(config);
}

/** All of it is read, so that all mistakes are found. */
function readWebhooks(reader: Reader): WebhookChoice | undefined {
  const endpoints = reader.given(SETTINGS.WEBHOOK_URLS);
  const keys = reader.given(SETTINGS.WEBHOOK_SECRET);
  const types = reader.read(SETTINGS.WEBHOOK_EVENTS);
  const giveUpMs = reader.read(SETTINGS.WEBHOOK_GIVE_UP_S) * 1000;
  if (endpoints === undefined) return undefined;
  if (keys === undefined && !reader.isSet(SETTINGS.WEBHOOK_SECRET)) {
    reader.problem("WEBHOOK_SECRET", "is needed by WEBHOOK_URLS");
  }
  return { endpoints, keys: keys ?? [], types, giveUpMs };
}

class Reader {
  readonly problems: string[] = [];
  readonly #values: Environment;
  readonly #names: Readonly<Record<string, string>>;

  constructor(values: Environment, names: Readonly<Record<string, string>> = {}) {
    this.#values = values;
    this.#names = names;
  }

  isSet({ name }: Setting<unknown>): boolean {
    return (this.#values[name] ?? "") !== "";
  }

  /** `undefined` when nothing was said, or nothing right. */
  given<Value>(setting: Setting<Value>): Value | undefined {
    const text = this.#values[setting.name] ?? "";
    if (text === "") return undefined;
    try {
      return setting.parse(text);
    } catch (error) {
      if (!(error instanceof SettingProblem)) throw error;
      this.problem(setting.name, error.message);
      return undefined;
    }
  }

  /** What was said, or else the fallback, which there must be. */
  read<Value>(setting: Setting<Value>): Value {
    return this.given(setting) ?? setting.parse(setting.fallback ?? "");
  }

  problem(name: string, message: string): void {
    this.problems.push(`${this.#names[name] ?? name} ${message}.`);
  }
}
