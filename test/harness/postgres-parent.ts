// A parent process to be killed: starts the embedded server of a folder, prints `{"url", "pid"}` or the fault's
// `{"code", "message"}`, and stays until SIGTERM.

import { startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { StartFault } from "../../shared/platform/start-fault.ts";

const dataDir = process.argv[2] ?? "";
try {
  const server = await startEmbeddedPostgres({ dataDir, log: silentLog() });
  process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid })}\n`);
  process.on("SIGTERM", () => void server.stop().then(() => process.exit(0)));
} catch (error) {
  if (!(error instanceof StartFault)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
}
