// A real Redis server for one test; persistent, for those that ask what a restart keeps.

import { startRedisServer } from "../../shared/platform/native-server.ts";
import { startTestServer, type TestServer } from "./native-server.ts";
import type { TestScope } from "./postgres.ts";

export const startTestRedis = (t: TestScope, options: { readonly isPersistent?: boolean } = {}): Promise<TestServer> =>
  startTestServer(t, (server) => startRedisServer({ ...server, ...options }));
