// The append-only file behind the book: one JSON object a line, the first line the header.
// F1: a record is on disk (fdatasync) before anything that depends on it is answered: wait for `durable()`.
// F2: all records of one event-loop tick, and all that arrive during a sync, share the next sync.
// F3: a last line without its newline was never answered for: it is cut off at open. Any other damage is a fault.
// F4: after a failed write nothing is known about the file: nothing is appended any more and every wait fails.

import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as endOfTick } from "node:timers/promises";
import { fileFault, StartFault, systemCodeOf } from "../../shared/platform/start-fault.ts";

const FORMAT = 1;
const NEWLINE = 0x0a;
/** A request body is at most 16 KiB; a longer line is no record of ours. */
const LINE_BYTES_MAX = 64 * 1024;

interface Header {
  readonly ledger: string;
  readonly format: number;
}

export class LedgerFile {
  /** Names this ledger in the ids it gives out, so that another folder's ids are never mistaken for its own. */
  readonly name: string;
  /** Resolves with the reason when the file can no longer be written. */
  readonly broken: Promise<unknown>;
  readonly #handle: FileHandle;
  readonly #onBroken: (reason: unknown) => void;
  #pending: string[] = [];
  #next: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #fault: Error | undefined;

  private constructor(name: string, handle: FileHandle) {
    this.name = name;
    this.#handle = handle;
    let onBroken: (reason: unknown) => void = () => undefined;
    this.broken = new Promise((resolve) => {
      onBroken = resolve;
    });
    this.#onBroken = onBroken;
  }

  /** Replays every record into `apply`, then stands ready to append. Its folder exists. Throws a StartFault. */
  static async open(path: string, apply: (record: unknown) => void): Promise<LedgerFile> {
    try {
      const replayed = await replay(path, apply);
      const handle = await open(path, "a", 0o600);
      await handle.truncate(replayed.bytes);
      const file = new LedgerFile(replayed.name ?? randomBytes(6).toString("hex"), handle);
      if (replayed.name === undefined) {
        file.append({ ledger: file.name, format: FORMAT } satisfies Header);
        await file.durable();
        await syncFolder(dirname(path));
      }
      return file;
    } catch (error) {
      throw error instanceof StartFault ? error : fileFault(dirname(path), error);
    }
  }

  /** Joins the next batch. */
  append(record: object): void {
    if (this.#fault !== undefined) return;
    this.#pending.push(`${JSON.stringify(record)}\n`);
    this.#next ??= this.#flushAfter(this.#writing);
  }

  /** Settles when everything appended so far is on disk; rejects when it may not be. */
  durable(): Promise<void> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return this.#next ?? this.#writing;
  }

  async close(): Promise<void> {
    await this.durable().catch(() => undefined);
    await this.#handle.close();
  }

  #flushAfter(previous: Promise<void>): Promise<void> {
    const flushed = this.#flush(previous);
    // Nobody may be waiting for this batch; whoever is gets the rejection too.
    flushed.catch(() => undefined);
    return flushed;
  }

  async #flush(previous: Promise<void>): Promise<void> {
    await previous;
    await endOfTick();
    const batch = this.#pending;
    this.#pending = [];
    if (this.#next !== undefined) this.#writing = this.#next;
    this.#next = undefined;
    try {
      await this.#handle.appendFile(batch.join(""));
      await this.#handle.datasync();
    } catch (error) {
      this.#fault = new Error("the ledger can no longer be written", { cause: error });
      this.#onBroken(this.#fault);
      throw this.#fault;
    }
  }
}

export const ledgerPathOf = (dataDir: string): string => join(dataDir, "ledger.jsonl");

/** Every whole record, in order. Reads only; a file that is not there has none. */
export async function replay(
  path: string,
  apply: (record: unknown) => void,
): Promise<{ name: string | undefined; bytes: number }> {
  let name: string | undefined;
  let bytes = 0;
  let lineNumber = 0;
  for await (const line of linesOf(path)) {
    lineNumber++;
    try {
      const record: unknown = JSON.parse(line.toString("utf8"));
      if (lineNumber === 1) name = headerOf(record).ledger;
      else apply(record);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StartFault(
        "ledger_damaged",
        `The payment simulator's ledger ${path} is damaged at line ${lineNumber}: ${reason}. Restore it, or give the simulator an empty folder.`,
        error,
      );
    }
    bytes += line.length + 1;
  }
  return { name, bytes };
}

function headerOf(record: unknown): Header {
  if (typeof record === "object" && record !== null && "ledger" in record && "format" in record) {
    const { ledger, format } = record;
    if (typeof ledger === "string" && format === FORMAT) return { ledger, format };
  }
  throw new Error("it does not begin with a header of this format");
}

/** Each line that ends in a newline, without it. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
        yield rest.subarray(start, end);
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > LINE_BYTES_MAX) throw new StartFault("ledger_damaged", `${path} holds a line without end.`);
    }
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
