// `usher import FILE`: a whole catalogue document, all or nothing. Where `usher start` runs on the data folder it is
// asked to do it, so that the shows' owners hear of it at once; else it goes straight into the database.

import { readFile } from "node:fs/promises";
import { type Imported, importCatalogue } from "../gateway/catalogue/import.ts";
import { createLog } from "../shared/platform/log.ts";
import { StartFault } from "../shared/platform/start-fault.ts";
import { type Command, DATA_FLAG, EXIT_FAILED, EXIT_OK, type Io, parseFlags } from "./command.ts";
import { readConfig } from "./config.ts";
import { openStore, type Store } from "./store.ts";
import { issueToken } from "./token.ts";

const TOKEN_TTL_S = 600;
const PARTS = ["cities", "cinemas", "layouts", "halls", "movies", "shows"] as const;

export const importCommand: Command = {
  name: "import",
  usage: "FILE [--data DIR]",
  summary: "import a catalogue document (JSON), all or nothing; into a new database if the folder has none",
  flags: ["FILE           the document; docs/CATALOGUE.md says what is in it", DATA_FLAG],
  async run(args, io) {
    const { values, positionals } = parseFlags(args, { data: { type: "string" } }, 1);
    const [path] = positionals;
    if (path === undefined) throw new StartFault("usage", "Say which file to import.");
    const document = await readDocument(path);
    const config = readConfig(io.env, { data: values.data });
    const store = await openStore({ config, log: createLog({ level: "error", name: "import" }), mayCreate: true });
    try {
      return await importInto(store, document, io);
    } finally {
      await store.close();
    }
  },
};

async function readDocument(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new StartFault(
      "import_file",
      `${path} cannot be read: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new StartFault(
      "import_file",
      `${path} is not JSON: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}

async function importInto(store: Store, document: unknown, io: Io): Promise<number> {
  const problems =
    store.gatewayUrl === undefined
      ? await importDirectly(store, document, io)
      : await importThrough(store.gatewayUrl, store, document, io);
  for (const problem of problems) io.warn(problem);
  if (problems.length > 0) io.warn("Nothing was imported.");
  return problems.length === 0 ? EXIT_OK : EXIT_FAILED;
}

async function importDirectly(store: Store, document: unknown, io: Io): Promise<string[]> {
  const result = await importCatalogue(store.pool, document);
  if (result.kind === "refused") return result.issues.map(({ path, message }) => `${path || "/"}: ${message}`);
  sayCounts(result, io);
  return [];
}

interface GatewayAnswer extends Pick<Imported, (typeof PARTS)[number]> {
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  readonly behind?: { readonly count: number };
}

async function importThrough(url: string, store: Store, document: unknown, io: Io): Promise<string[]> {
  const token = await issueToken(store.pool, ["admin"], TOKEN_TTL_S);
  const response = await fetch(`${url}/v1/admin/catalogue`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify(document),
  });
  const answer = (await response.json()) as GatewayAnswer;
  if (!response.ok) {
    const { errors = [], detail = `the gateway answered ${response.status}` } = answer;
    return errors.length > 0 ? errors.map(({ field, message }) => `${field}: ${message}`) : [detail];
  }
  sayCounts(answer, io);
  const behind = answer.behind?.count ?? 0;
  if (behind > 0) io.warn(`${behind} shows go on with their old terms until they are loaded again.`);
  return [];
}

function sayCounts(counts: Pick<Imported, (typeof PARTS)[number]>, io: Io): void {
  for (const part of PARTS) io.say(`${part}: ${counts[part].added} added, ${counts[part].updated} updated`);
}
