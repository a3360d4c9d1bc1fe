// One gateway, put together: what it keeps, its routes, its server. Everything started here is stopped by `stop`.
// The allocators are whatever is behind the port: a function call in one process, NATS in a cluster.

import type { Clock } from "../shared/platform/clock.ts";
import type { Log } from "../shared/platform/log.ts";
import type { Metrics } from "../shared/platform/metrics.ts";
import { openFilesMax } from "../shared/platform/open-files.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import type { Secrets } from "../shared/platform/secrets.ts";
import type { Timers } from "../shared/platform/timers.ts";
import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";
import { TicketTokens } from "../shared/tickets/ticket-tokens.ts";
import { PollLot } from "../waitlist/poll/parking.ts";
import { createGateway } from "./app.ts";
import type { GatewayConfig, GatewayLimits } from "./config.ts";
import { connectFeed } from "./feed.ts";
import type { Endpoint } from "./http/endpoint.ts";
import { Operations } from "./http/idempotency.ts";
import { startHttpServer } from "./http/server.ts";
import { Sessions } from "./http/session.ts";
import { Readiness } from "./readiness.ts";
import { adminSeatEndpoints } from "./routes/admin-seats.ts";
import { bookingsEndpoints } from "./routes/bookings.ts";
import { cancelEndpoint } from "./routes/cancel.ts";
import { confirmEndpoint } from "./routes/confirm.ts";
import { docsEndpoints } from "./routes/docs.ts";
import { lockEndpoints } from "./routes/locks.ts";
import { paymentWebhookEndpoint } from "./routes/payment-webhook.ts";
import { seatMapEndpoints } from "./routes/seatmap.ts";
import { serviceEndpoints } from "./routes/service.ts";
import { sessionEndpoints } from "./routes/sessions.ts";
import { ticketEndpoints } from "./routes/tickets.ts";
import { waitlistEndpoints } from "./routes/waitlist.ts";
import { SeatStreams } from "./seat-streams.ts";
import { SeatViews } from "./seat-views.ts";
import type { ShowLookup } from "./show-lookup.ts";
import { observeSizes } from "./sizes.ts";
import { ticketDesk } from "./tickets/tickets-of-booking.ts";

/** What the catalogue brings: its directory of shows, and routes that need parts of the gateway. */
export interface CataloguePart {
  readonly shows: ShowLookup;
  endpoints(shared: { readonly seats: SeatViews; readonly operations: Operations }): readonly Endpoint[];
}

export interface GatewayParts {
  readonly allocator: AllocatorPort;
  readonly catalogue: CataloguePart;
  readonly pool: Pool;
  readonly secrets: Pick<Secrets, "sessionKey" | "operationKey" | "ticketKey">;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: GatewayLimits;
  /** What the payment gateway signs its webhooks with; none: there is no webhook. */
  readonly paymentWebhookSecrets?: readonly string[];
  readonly version: string;
}

export interface AssembledGateway {
  readonly app: ReturnType<typeof createGateway>["app"];
  /** Not ready from now on, everything that waits is answered, and answers close their connections. */
  drain(): void;
  stop(): void;
}

/** Everything but the server: what tests ask through `app.request()`. */
export function assembleGateway(parts: GatewayParts): AssembledGateway {
  const { allocator, catalogue, pool, clock, timers, metrics, limits } = parts;
  const { shows } = catalogue;
  const sessions = new Sessions({ sessionKey: parts.secrets.sessionKey, clock });
  const operations = new Operations(parts.secrets.operationKey);
  const lot = new PollLot({ timers, clock, placesMax: limits.parkedPollsMax });
  const views = new SeatViews({ allocator, shows, timers, viewsMax: limits.seatViewsMax });
  const streams = new SeatStreams({ views, timers, streamsMax: limits.seatStreamsMax });
  const readiness = new Readiness({ allocator, pool, clock, timers });
  const disconnect = connectFeed({ allocator, views, lot });
  observeSizes(metrics, { lot, views, streams });
  const tokens = new TicketTokens(parts.secrets.ticketKey);
  const desk = ticketDesk(tokens, clock);
  const asking = { allocator, shows, operations };
  const { app, drain } = createGateway({
    endpoints: [
      ...sessionEndpoints(sessions),
      ...catalogue.endpoints({ seats: views, operations }),
      ...seatMapEndpoints(views, streams),
      ...lockEndpoints(asking),
      cancelEndpoint(asking),
      confirmEndpoint({ ...asking, desk }),
      ...bookingsEndpoints({ ...asking, pool, lot, clock, desk }),
      ...ticketEndpoints({ ...asking, tokens }),
      ...waitlistEndpoints({ ...asking, lot, clock }),
      ...adminSeatEndpoints(asking),
      paymentWebhookEndpoint({ allocator, metrics, clock, secrets: parts.paymentWebhookSecrets ?? [] }),
      ...serviceEndpoints({ readiness, metrics }),
      ...docsEndpoints(),
    ],
    sessions,
    log: parts.log,
    metrics,
    clock,
    version: parts.version,
  });
  return {
    app,
    drain: () => {
      drain();
      readiness.drain();
      lot.close();
      streams.stop();
    },
    stop: () => {
      disconnect();
      views.stop();
    },
  };
}

export interface StartGatewayOptions extends Omit<GatewayParts, "limits"> {
  readonly config: GatewayConfig;
}

export interface RunningGateway {
  readonly url: string;
  /** Answers what is under way, then ends everything it started. The pool and the port stay their owner's. */
  stop(): Promise<void>;
}

/** Files that are no connections of clients: the store's, logs, modules. */
const FILES_BESIDE = 500;

/** As many as may be open: one more than that would keep the store's connections from being opened too. */
function connectionsFor(wanted: number, filesMax: number | undefined, log: Log): number {
  const possible = (filesMax ?? Number.POSITIVE_INFINITY) - FILES_BESIDE;
  if (possible >= wanted) return wanted;
  const max = Math.max(1, possible);
  log.info(
    { connections_max: max, wanted, open_files_max: filesMax },
    "fewer connections: raise the limit of open files",
  );
  return max;
}

export async function startGateway(options: StartGatewayOptions): Promise<RunningGateway> {
  const { config, timers, log } = options;
  const gateway = assembleGateway({ ...options, limits: config.limits });
  try {
    const server = await startHttpServer({
      fetch: gateway.app.fetch as Parameters<typeof startHttpServer>[0]["fetch"],
      host: config.host,
      port: config.port,
      connectionsMax: connectionsFor(config.limits.connectionsMax, openFilesMax(), log),
      timers,
    });
    log.info({ url: server.url }, "gateway listens");
    return {
      url: server.url,
      async stop() {
        gateway.drain();
        await server.stop();
        gateway.stop();
      },
    };
  } catch (error) {
    gateway.drain();
    gateway.stop();
    throw error;
  }
}
