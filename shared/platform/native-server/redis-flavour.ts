// redis-server, by default without persistence: limits and caches can always be refilled.

import { ask } from "../line-client.ts";
import { REDIS_PROGRAM } from "./find-program.ts";
import type { Flavour } from "./flavour.ts";

const ASK_MAX_MS = 500;

export const REDIS = (isPersistent: boolean): Flavour => ({
  name: "Redis",
  program: REDIS_PROGRAM,
  configName: "redis.conf",
  config: ({ workDir, port, password }) =>
    [
      "bind 127.0.0.1",
      `port ${port}`,
      "daemonize no",
      // Its command line stays as it was started: that is how a leftover is known.
      "set-proc-title no",
      `dir ${JSON.stringify(workDir)}`,
      `requirepass ${password}`,
      'save ""',
      `appendonly ${isPersistent ? "yes" : "no"}`,
      "",
    ].join("\n"),
  arguments: (configFile) => [configFile],
  async isReady({ port, password, pid }) {
    const say = `AUTH ${password}\r\nINFO server\r\n`;
    // The second answer is a bulk string; while it loads its data it answers `-LOADING` instead.
    const isComplete = (answer: string): boolean => /\r\n(-[^\n]*\r\n|\$\d[\s\S]*process_id:\d+\r\n)/.test(answer);
    const info = await ask({ host: "127.0.0.1", port, say, isComplete, boundMs: ASK_MAX_MS });
    return info?.includes(`process_id:${pid}\r\n`) === true;
  },
  url: (port, password) => `redis://:${password}@127.0.0.1:${port}`,
});
