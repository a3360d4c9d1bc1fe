// `usher token`: a session token with a scope, for whoever may read the data folder or the database.

import { randomBytes } from "node:crypto";
import { type Scope, Sessions } from "../gateway/http/session.ts";
import type { SessionId } from "../shared/kernel/ids.ts";
import { createLog } from "../shared/platform/log.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { loadSecrets } from "../shared/platform/secrets.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { type Command, DATA_FLAG, EXIT_OK, parseFlags } from "./command.ts";
import { readConfig } from "./config.ts";
import { clockOf, openStore } from "./store.ts";

const SCOPES: readonly Scope[] = ["admin", "gate"];
const TTL_S = 24 * 3600;
const TTL_MAX_S = 366 * 24 * 3600;
const SESSION_ID_BYTES = 16;

export const tokenCommand: Command = {
  name: "token",
  usage: "--scope SCOPE [--ttl-s N] [--data DIR]",
  summary: "print a token, alone on the last line",
  flags: [
    `--scope SCOPE  ${SCOPES.join(" or ")}; several with commas`,
    `--ttl-s N      how long it is good for, in seconds (default ${TTL_S})`,
    DATA_FLAG,
  ],
  async run(args, io) {
    const { values } = parseFlags(args, {
      scope: { type: "string" },
      "ttl-s": { type: "string" },
      data: { type: "string" },
    });
    const scopes = scopesFrom(values.scope);
    const ttlS = ttlFrom(values["ttl-s"]);
    const config = readConfig(io.env, { data: values.data });
    const store = await openStore({ config, log: createLog({ level: "error", name: "token" }), mayCreate: false });
    try {
      io.say(await issueToken(store.pool, scopes, ttlS));
    } finally {
      await store.close();
    }
    return EXIT_OK;
  },
};

export async function issueToken(pool: Pool, scopes: readonly Scope[], ttlS: number): Promise<string> {
  const [{ sessionKey }, clock] = await Promise.all([loadSecrets(pool), clockOf(pool)]);
  const id = randomBytes(SESSION_ID_BYTES).toString("base64url") as SessionId;
  return (await new Sessions({ sessionKey, clock }).issue({ id, scopes, ttlS })).token;
}

function scopesFrom(text: string | undefined): Scope[] {
  if (text === undefined) throw new StartFault("usage", `Say what the token is for: --scope ${SCOPES.join(" or ")}.`);
  return text.split(",").map((word) => {
    const scope = SCOPES.find((known) => known === word);
    if (scope === undefined) throw new StartFault("usage", `--scope takes ${SCOPES.join(" or ")}, not "${word}".`);
    return scope;
  });
}

function ttlFrom(text: string | undefined): number {
  if (text === undefined) return TTL_S;
  const ttlS = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (ttlS >= 1 && ttlS <= TTL_MAX_S) return ttlS;
  throw new StartFault("usage", `--ttl-s takes a whole number from 1 to ${TTL_MAX_S}, not "${text}".`);
}
