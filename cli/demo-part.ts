// The demo catalogue at first start: later ones find films there.

import { generateDemoCatalogue } from "../demo/catalogue/generate.ts";
import { importCatalogue } from "../gateway/catalogue/import.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { wallClockMs } from "../shared/platform/wall-clock.ts";
import type { Io } from "./command.ts";

/** Everything in the data folder is for its owner only; a server that runs as another user passes through. */
export const DATA_DIR_MODE = 0o711;

export async function importDemo(pool: Pool, io: Io): Promise<void> {
  const { rowCount } = await pool.query("SELECT 1 FROM movie LIMIT 1");
  if (rowCount !== 0) return;
  io.warn("First start: making the demo catalogue …");
  const startsOn = new Date(wallClockMs()).toISOString().slice(0, 10);
  const result = await importCatalogue(pool, await generateDemoCatalogue({ startsOn }));
  if (result.kind === "refused") {
    throw new Error(`the demo catalogue was refused: ${result.issues.map((issue) => issue.message).join("; ")}`);
  }
}
