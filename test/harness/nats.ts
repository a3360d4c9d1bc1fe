// A real NATS server, with JetStream, for one test.

import { startNatsServer } from "../../shared/platform/native-server.ts";
import { startTestServer, type TestServer } from "./native-server.ts";
import type { TestScope } from "./postgres.ts";

export const startTestNats = (t: TestScope): Promise<TestServer> => startTestServer(t, startNatsServer);
