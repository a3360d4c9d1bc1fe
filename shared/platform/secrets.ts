// The secrets that every process of an installation shares. They live in the database, made once by whoever comes
// first, so that a gateway can be added or restarted without handing out files.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import type { Pool } from "./postgres.ts";

export interface Secrets {
  /** HS256 key of session tokens, 32 bytes. */
  readonly sessionKey: Uint8Array;
  /** Key of the hash that makes operation ids from idempotency keys, 32 bytes. */
  readonly operationKey: Uint8Array;
  /** Ed25519 pair that signs tickets. */
  readonly ticketKey: KeyObject;
  readonly ticketPublicKey: KeyObject;
}

const KEY_BYTES = 32;

export async function loadSecrets(pool: Pool): Promise<Secrets> {
  const found = await read(pool);
  const values = found.size === 3 ? found : await make(pool);
  const value = (name: string): Buffer => {
    const bytes = values.get(name);
    if (bytes === undefined) throw new Error(`the secret ${name} is missing from the database`);
    return bytes;
  };
  const ticketKey = createPrivateKey({ key: value("ticket_key"), format: "der", type: "pkcs8" });
  return {
    sessionKey: value("session_key"),
    operationKey: value("operation_key"),
    ticketKey,
    ticketPublicKey: createPublicKey(ticketKey),
  };
}

async function read(pool: Pool): Promise<Map<string, Buffer>> {
  const { rows } = await pool.query<{ name: string; value: Buffer }>(
    "SELECT name, value FROM secret WHERE name IN ('session_key', 'operation_key', 'ticket_key')",
  );
  return new Map(rows.map((row) => [row.name, row.value]));
}

async function make(pool: Pool): Promise<Map<string, Buffer>> {
  const ticketKey = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
  await pool.query(
    `INSERT INTO secret (name, value) VALUES ('session_key', $1), ('operation_key', $2), ('ticket_key', $3)
     ON CONFLICT (name) DO NOTHING`,
    [randomBytes(KEY_BYTES), randomBytes(KEY_BYTES), ticketKey],
  );
  // Another process may have been first: what is in the table counts, not what was made here.
  return read(pool);
}
