// A real NATS server, with JetStream, for one test, and connections to it.

import { silentLog } from "../../shared/platform/log.ts";
import { startNatsServer } from "../../shared/platform/native-server.ts";
import { connectNats, type NatsLink, type NatsOptions } from "../../shared/platform/nats.ts";
import { type NatsAddress, parseNatsUrl } from "../../shared/platform/nats-address.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import { startTestServer, type TestServer } from "./native-server.ts";
import type { TestScope } from "./postgres.ts";

export const startTestNats = (t: TestScope): Promise<TestServer> => startTestServer(t, startNatsServer);

export function natsAddress(url: string): NatsAddress {
  const address = parseNatsUrl(url);
  if (address === undefined) throw new Error(`no address: ${url}`);
  return address;
}

/** Stopped with the test. */
export async function linkTo(t: TestScope, url: string, options: Partial<NatsOptions> = {}): Promise<NatsLink> {
  const link = await connectNats({
    address: natsAddress(url),
    name: "test",
    whenAway: "fail",
    timers: systemTimers,
    random: Math.random,
    log: silentLog(),
    ...options,
  });
  t.teardown(() => link.stop());
  return link;
}
