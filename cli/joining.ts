// What a part of a cluster needs to join it: where Postgres and NATS are.

import type { Log } from "../shared/platform/log.ts";
import { connectNats, type NatsLink } from "../shared/platform/nats.ts";
import type { NatsAddress } from "../shared/platform/nats-address.ts";
import type { Shutdown } from "../shared/platform/shutdown.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { systemTimers } from "../shared/platform/timers.ts";
import { type Config, type Environment, type Flags, readConfig } from "./config.ts";

export interface Joinable {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly nats: NatsAddress;
}

/** Throws the StartFault `config`. */
export function joinableConfig(env: Environment, flags: Flags = {}): Joinable {
  const config = readConfig(env, flags);
  const { databaseUrl, nats } = config;
  if (databaseUrl !== undefined && nats !== undefined) return { config, databaseUrl, nats };
  const missing = [databaseUrl === undefined ? "DATABASE_URLS" : "", nats === undefined ? "NATS_URL" : ""];
  const names = missing.filter((name) => name !== "").join(" and ");
  throw new StartFault("config", `A part of a cluster needs ${names}. "usher cluster" starts everything by itself.`);
}

export interface LinkOptions {
  readonly nats: NatsAddress;
  readonly name: string;
  readonly log: Log;
  readonly shutdown: Pick<Shutdown, "add">;
}

/** Throws a StartFault when NATS does not answer. */
export async function linkToNats({ nats, name, log, shutdown }: LinkOptions): Promise<NatsLink> {
  const link = await connectNats({
    address: nats,
    name,
    whenAway: "fail",
    timers: systemTimers,
    random: Math.random,
    log,
  });
  shutdown.add({ name: "nats", stop: () => link.stop() });
  return link;
}
