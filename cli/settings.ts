// The settings: one table of everything the environment can say. docs/CONFIGURATION.md is written from it
// (configuration-page.ts).

import type { Mailbox } from "../notifier/mail/carrier.ts";
import type { SmtpServer } from "../notifier/mail/smtp-carrier.ts";
import { parseMailbox, parseSmtpUrl } from "../notifier/mail/smtp-url.ts";
import { ENDPOINTS_MAX, parseEndpoints } from "../notifier/webhooks/endpoint.ts";
import { EVENTS_DEFAULT, parseEvents } from "../notifier/webhooks/event-choice.ts";
import type { Parsed } from "../notifier/webhooks/parsed.ts";
import { parseSecrets, SECRET_PREFIX, SECRETS_MAX } from "../notifier/webhooks/signature.ts";
import { type NatsAddress, parseNatsUrl } from "../shared/platform/nats-address.ts";

export interface Setting<Value> {
  readonly name: string;
  /** As it would be written in the environment; `undefined` when there is nothing to write. */
  readonly fallback: string | undefined;
  readonly unit: string;
  readonly range: string;
  readonly meaning: string;
  /** Throws a SettingProblem. */
  readonly parse: (text: string) => Value;
}

/** What is wrong with a value: completes the sentence "NAME …". */
export class SettingProblem extends Error {
  override readonly name = "SettingProblem";
}

export type PaymentChoice =
  | { readonly kind: "simulator" }
  | { readonly kind: "instant" }
  | { readonly kind: "http"; readonly url: string };

export const LOG_LEVEL_NAMES = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;
const PAYMENT_KEY_LENGTH_MAX = 255;
const WEBHOOK_SECRETS_MAX = 5;

export const SETTINGS = {
  PORT: wholeNumber({
    name: "PORT",
    fallback: 8080,
    unit: "port",
    min: 0,
    max: 65_535,
    meaning: "Where the gateway listens; 0 takes any free port. `--port` overrides it.",
  }),
  HOST: setting({
    name: "HOST",
    fallback: "127.0.0.1",
    range: "an address of this machine",
    meaning: "The address the gateway listens on; `0.0.0.0` for all of them.",
    parse: parseHost,
  }),
  HEALTH_PORT: wholeNumber({
    name: "HEALTH_PORT",
    unit: "port",
    min: 0,
    max: 65_535,
    meaning:
      "Where `usher allocator` answers `/healthz`, `/readyz` and `/metrics`, on the address of `HOST`; 0 takes any free " +
      "port. Without it, nowhere. (A gateway answers them where it listens.)",
  }),
  USHER_DATA: setting({
    name: "USHER_DATA",
    fallback: ".usher",
    range: "a folder, made when absent",
    meaning: "Everything this machine keeps: the embedded Postgres, the simulator's ledger. `--data` overrides it.",
    parse: (text: string) => text,
  }),
  DATABASE_URLS: setting({
    name: "DATABASE_URLS",
    fallback: undefined,
    range: "`postgresql://…`, exactly one in this version",
    meaning: "Use this Postgres instead of starting the embedded one.",
    parse: parseDatabaseUrls,
  }),
  NATS_URL: setting<NatsAddress>({
    name: "NATS_URL",
    fallback: undefined,
    range: "`nats://…` or `tls://…`, several servers of one NATS with commas",
    meaning:
      "The bus of a cluster: what `usher allocator` and `usher gateway` join by. `usher start` and allocators " +
      "put the events of all shows into its JetStream stream `USHER_NEWS`.",
    parse: parseNats,
  }),
  NEWS_MAX_AGE_S: seconds("NEWS_MAX_AGE_S", 604_800, 3600, 31_536_000, "How long the stream keeps an event."),
  PAYMENT_URL: setting<PaymentChoice>({
    name: "PAYMENT_URL",
    fallback: undefined,
    range: "`https://…`, `http://…` or `instant:`",
    meaning:
      "A payment gateway that speaks the Stripe PaymentIntents API. `instant:` authorises every payment at once, " +
      "in-process. Without it the payment simulator is started.",
    parse: parsePaymentUrl,
  }),
  PAYMENT_KEY: setting({
    name: "PAYMENT_KEY",
    fallback: undefined,
    range: `1–${PAYMENT_KEY_LENGTH_MAX} visible ASCII characters`,
    meaning: "The secret key for the payment gateway. Needed when `PAYMENT_URL` is a web address.",
    parse: parsePaymentKey,
  }),
  PAYMENT_WEBHOOK_SECRET: setting({
    name: "PAYMENT_WEBHOOK_SECRET",
    fallback: undefined,
    range: `1–${WEBHOOK_SECRETS_MAX} of 1–${PAYMENT_KEY_LENGTH_MAX} visible ASCII characters, separated by commas`,
    meaning:
      "What the payment gateway signs its webhooks with; several while one replaces the other. Without it `POST " +
      "/v1/payments/webhook` answers 404, except that the payment simulator started here gets one made at start.",
    parse: parseWebhookSecrets,
  }),
  PAYMENT_LOOKUP_AFTER_S: seconds(
    "PAYMENT_LOOKUP_AFTER_S",
    82_800,
    1,
    82_800,
    "How long after it began a payment that was given up, and whose outcome is still unknown, is looked up at the payment " +
      "gateway instead of being asked about by its key: gateways forget keys, Stripe after a day.",
  ),
  HOLD_TTL_S: seconds("HOLD_TTL_S", 300, 1, 3600, "How long a hold lives, unless its show says otherwise."),
  HOLD_GRACE_S: seconds(
    "HOLD_GRACE_S",
    5,
    0,
    60,
    "How much longer than the deadline shown to the client the server waits, unless the show says otherwise.",
  ),
  PAY_TTL_S: seconds("PAY_TTL_S", 120, 1, 600, "How long a payment may take before its seats are released."),
  OFFER_TTL_S: seconds(
    "OFFER_TTL_S",
    120,
    1,
    3600,
    "How long seats are kept for a waiter they are offered to, unless the show says otherwise.",
  ),
  CANCEL_UNTIL_S: seconds(
    "CANCEL_UNTIL_S",
    3600,
    0,
    2_592_000,
    "How long before its show's start a booking can be cancelled at the latest.",
  ),
  RELEASE_ON_DECLINE: setting({
    name: "RELEASE_ON_DECLINE",
    fallback: "true",
    range: "`true` or `false`",
    meaning: "Whether a declined payment releases the seats at once; else the hold lives on for another attempt.",
    parse: parseBoolean,
  }),
  SMTP_URL: setting({
    name: "SMTP_URL",
    fallback: undefined,
    range: "`smtp://` or `smtps://`, `user:password@` where it wants them, host, `:port`",
    meaning:
      "The mail server that takes confirmations and cancellations for guests who left an address. `smtps:` speaks TLS " +
      "from the start (465), `smtp:` by STARTTLS (587): always where there is a password, else where it is offered. " +
      "Without it each mail becomes a file in the folder `mail` of the data folder.",
    parse: parseMailServer,
  }),
  MAIL_FROM: setting({
    name: "MAIL_FROM",
    fallback: undefined,
    range: "`address` or `name <address>`",
    meaning: "Who mails come from. Needed by `SMTP_URL`.",
    parse: parseSender,
  }),
  MAIL_RATE_PER_S: wholeNumber({
    name: "MAIL_RATE_PER_S",
    fallback: 10,
    unit: "mails per second",
    min: 1,
    max: 1_000,
    meaning: "How many mails the mail server is given a second, at most.",
  }),
  BOOKING_ATTEMPTS_PER_MIN: wholeNumber({
    name: "BOOKING_ATTEMPTS_PER_MIN",
    fallback: 5,
    unit: "attempts per minute",
    min: 0,
    max: 1_000_000,
    meaning:
      "Booking attempts a session may make; 0 turns all limits of this kind off. " +
      "Read and checked, but not enforced yet: this version limits nobody.",
  }),
  WEBHOOK_URLS: setting({
    name: "WEBHOOK_URLS",
    fallback: undefined,
    range: `1–${ENDPOINTS_MAX} web addresses, separated by commas or spaces`,
    meaning:
      "Who is told by signed webhooks what happens ([EVENTS.md](EVENTS.md)). A user and a password in an address are " +
      "sent as `Authorization`.",
    parse: (text: string) => valueOrProblem(parseEndpoints(text)),
  }),
  WEBHOOK_SECRET: setting({
    name: "WEBHOOK_SECRET",
    fallback: undefined,
    range: `1–${SECRETS_MAX} times \`${SECRET_PREFIX}\` and base64 of 24–64 bytes, separated by commas or spaces`,
    meaning: "What webhooks are signed with; several while one replaces the other. Needed when `WEBHOOK_URLS` is set.",
    parse: (text: string) => valueOrProblem(parseSecrets(text)),
  }),
  WEBHOOK_EVENTS: setting({
    name: "WEBHOOK_EVENTS",
    fallback: EVENTS_DEFAULT,
    range: "names, families like `booking.*`, or `*`, separated by commas or spaces",
    meaning: "Which events webhooks tell.",
    parse: (text: string) => valueOrProblem(parseEvents(text)),
  }),
  WEBHOOK_GIVE_UP_S: seconds(
    "WEBHOOK_GIVE_UP_S",
    86_400,
    60,
    2_592_000,
    "How old an event is when it is given up because its endpoint goes on refusing it.",
  ),
  LOG_LEVEL: setting({
    name: "LOG_LEVEL",
    fallback: "info",
    range: LOG_LEVEL_NAMES.map((level) => `\`${level}\``).join(", "),
    meaning: "The least important kind of log line that is written (JSON, on stderr).",
    parse: parseLogLevel,
  }),
} as const;

/** Settings of other versions that must not be ignored in silence: whoever sets one relies on it. */
export const UNSUPPORTED: Readonly<Record<string, string>> = {
  AUTH_JWKS_URL: "is not supported by this version; every session is an anonymous one of its own",
};

interface PlainSetting<Value> extends Omit<Setting<Value>, "unit"> {
  readonly unit?: string;
}

function setting<Value>(options: PlainSetting<Value>): Setting<Value> {
  return { unit: "", ...options };
}

interface NumberSetting {
  readonly name: string;
  /** Absent: nothing is to be said where nothing was. */
  readonly fallback?: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
}

function wholeNumber({ name, fallback, unit, min, max, meaning }: NumberSetting): Setting<number> {
  return {
    name,
    fallback: fallback === undefined ? undefined : String(fallback),
    unit,
    range: `${min}–${max}`,
    meaning,
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new SettingProblem(`must be a whole number from ${min} to ${max}, not "${text}"`);
    },
  };
}

function seconds(name: string, fallback: number, min: number, max: number, meaning: string): Setting<number> {
  return wholeNumber({ name, fallback, unit: "seconds", min, max, meaning });
}

function parseBoolean(text: string): boolean {
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new SettingProblem(`must be true or false, not "${text}"`);
}

function parseLogLevel(text: string): (typeof LOG_LEVEL_NAMES)[number] {
  const level = LOG_LEVEL_NAMES.find((name) => name === text);
  if (level !== undefined) return level;
  throw new SettingProblem(`must be one of ${LOG_LEVEL_NAMES.join(", ")}, not "${text}"`);
}

function parseHost(text: string): string {
  if (/^[A-Za-z0-9.:_-]{1,253}$/.test(text)) return text;
  throw new SettingProblem(`must be a host name or an address, not "${text}"`);
}

/** A value may hold a password: it is never repeated in a message. */
function parseDatabaseUrls(text: string): readonly string[] {
  const urls = text.split(",").map((part) => part.trim());
  for (const url of urls) {
    if (!["postgres:", "postgresql:"].includes(protocolOf(url) ?? "")) {
      throw new SettingProblem("must be addresses like postgresql://user:password@host:5432/database");
    }
  }
  if (urls.length > 1) throw new SettingProblem(`names ${urls.length} servers; this version takes one`);
  return urls;
}

/** It may hold a password: it is never repeated in a message. */
function parseNats(text: string): NatsAddress {
  const address = parseNatsUrl(text);
  if (address !== undefined) return address;
  throw new SettingProblem("must be an address like nats://user:password@host:4222");
}

/** It may hold a password: it is never repeated in a message. */
function parseMailServer(text: string): SmtpServer {
  const server = parseSmtpUrl(text);
  if (server !== undefined) return server;
  throw new SettingProblem("must be an address like smtp://user:password@host:587 or smtps://host");
}

function parseSender(text: string): Mailbox {
  const sender = parseMailbox(text);
  if (sender !== undefined) return sender;
  throw new SettingProblem("must be an address like tickets@cinema.example or Cinema <tickets@cinema.example>");
}

function parsePaymentUrl(text: string): PaymentChoice {
  if (text === "instant:") return { kind: "instant" };
  if (["http:", "https:"].includes(protocolOf(text) ?? "")) return { kind: "http", url: text };
  throw new SettingProblem('must be a web address or "instant:"');
}

function parsePaymentKey(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text) && text.length <= PAYMENT_KEY_LENGTH_MAX) return text;
  throw new SettingProblem(`must be 1 to ${PAYMENT_KEY_LENGTH_MAX} visible ASCII characters`);
}

function parseWebhookSecrets(text: string): readonly string[] {
  const secrets = text.split(",").map((secret) => parsePaymentKey(secret.trim()));
  if (secrets.length <= WEBHOOK_SECRETS_MAX) return secrets;
  throw new SettingProblem(`names ${secrets.length} secrets; at most ${WEBHOOK_SECRETS_MAX}`);
}

function valueOrProblem<Value>(parsed: Parsed<Value>): Value {
  if (parsed.kind === "ok") return parsed.value;
  throw new SettingProblem(parsed.problem);
}

function protocolOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).protocol : undefined;
}
