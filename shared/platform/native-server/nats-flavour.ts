// nats-server with JetStream. Its configuration is a file: the password must not stand in a command line, and not every
// limit has a flag.

import { join } from "node:path";
import { ask } from "../line-client.ts";
import { NATS_PROGRAM } from "./find-program.ts";
import type { Flavour } from "./flavour.ts";

const USER = "usher";
const ASK_MAX_MS = 500;

export const NATS: Flavour = {
  name: "NATS",
  program: NATS_PROGRAM,
  configName: "nats.conf",
  config: ({ workDir, port, password, name }) =>
    [
      `server_name: "${name}"`,
      'host: "127.0.0.1"',
      `port: ${port}`,
      `jetstream { store_dir: ${JSON.stringify(join(workDir, "jetstream"))} }`,
      `authorization { user: "${USER}", password: "${password}" }`,
      "",
    ].join("\n"),
  arguments: (configFile) => ["-c", configFile],
  async isReady({ port, name }) {
    // It speaks first: `INFO {…}`.
    const info = await ask({
      host: "127.0.0.1",
      port,
      isComplete: (answer) => answer.includes("\r\n"),
      boundMs: ASK_MAX_MS,
    });
    return info?.startsWith("INFO ") === true && info.includes(`"server_name":"${name}"`);
  },
  url: (port, password) => `nats://${USER}:${password}@127.0.0.1:${port}`,
};
