// The mails about bookings, put together: to the mail server of the settings, or to the data folder.

import { join } from "node:path";
import type { Carrier, Mailbox } from "../notifier/mail/carrier.ts";
import { FolderCarrier } from "../notifier/mail/folder-carrier.ts";
import { MailSink } from "../notifier/mail/mail-sink.ts";
import { SmtpCarrier } from "../notifier/mail/smtp-carrier.ts";
import type { Log } from "../shared/platform/log.ts";
import type { Metrics } from "../shared/platform/metrics.ts";
import { createPool } from "../shared/platform/postgres.ts";
import { loadSecrets } from "../shared/platform/secrets.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { wallClockMs } from "../shared/platform/wall-clock.ts";
import type { NewsSink } from "../shared/protocol/show-news.ts";
import { TicketTokens } from "../shared/tickets/ticket-tokens.ts";
import type { Config } from "./config.ts";

/** One for each mail under way would be too many: a mail needs the store for moments. */
const CONNECTIONS_MAX = 3;
const STATEMENT_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** As the allocator's: a plan must not rest on what the statistics said while a table was empty. */
const PLANNER_SETTINGS = { enable_seqscan: "off", enable_mergejoin: "off" };
/** Of files that nobody but their owner reads. */
const NOBODY: Mailbox = { name: "", address: "tickets@localhost" };

export interface MailPartOptions {
  readonly databaseUrl: string;
  readonly config: MailConfig;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type MailConfig = Pick<Config, "smtp" | "mailFrom" | "mailRatePerS" | "dataDir">;

export interface MailPart {
  readonly sink: NewsSink;
  /** After whoever tells it has ended. */
  stop(): Promise<void>;
}

export async function openMail({ databaseUrl, config, log, metrics }: MailPartOptions): Promise<MailPart> {
  const pool = createPool({
    url: databaseUrl,
    max: CONNECTIONS_MAX,
    applicationName: "usher mail",
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    settings: PLANNER_SETTINGS,
    log,
  });
  try {
    const { ticketKey } = await loadSecrets(pool);
    const sink = new MailSink({
      pool,
      carrier: carrierOf(config),
      tokens: new TicketTokens(ticketKey),
      from: config.mailFrom ?? NOBODY,
      timers: systemTimers,
      now: wallClockMs,
      log,
      metrics,
    });
    return {
      sink,
      async stop() {
        await sink.close();
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

function carrierOf({ smtp, mailRatePerS, dataDir }: MailConfig): Carrier {
  if (smtp === undefined) return new FolderCarrier(join(dataDir, "mail"));
  return new SmtpCarrier({ server: smtp, ratePerS: mailRatePerS, timers: systemTimers });
}
