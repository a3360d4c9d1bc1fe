// A parent process to be killed: starts the NATS or Redis server of a folder, prints `{"url", "pid"}` or the fault's
// `{"code", "message"}`, and stays until SIGTERM.

import { silentLog } from "../../shared/platform/log.ts";
import { startNatsServer, startRedisServer } from "../../shared/platform/native-server.ts";
import { StartFault } from "../../shared/platform/start-fault.ts";

const [, , kind, dataDir = ""] = process.argv;
const start = kind === "redis" ? startRedisServer : startNatsServer;
try {
  const server = await start({ dataDir, log: silentLog() });
  process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid })}\n`);
  process.on("SIGTERM", () => void server.stop().then(() => process.exit(0)));
} catch (error) {
  if (!(error instanceof StartFault)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
}
