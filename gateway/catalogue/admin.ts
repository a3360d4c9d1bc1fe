// What administrators change, through this gateway: imports and single shows. Owns what has to follow the commit:
// this gateway's cached answers are dropped, other gateways hear of it, and the shows' owners read their terms again.
// A1: imports of this gateway take turns, and at most IMPORTS_WAITING_MAX wait: each holds a document in memory.
// A2: what fails after the commit does not undo it. It is reported: the owner compares terms when it next loads.

import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { CatalogueShow, CatalogueShowPatch } from "./document.ts";
import { type Imported, type ImportRefused, importCatalogue } from "./import.ts";
import type { CatalogueReader } from "./reader.ts";
import { cancelShow, createShow, patchShow, type ShowWritten } from "./shows.ts";

export interface CatalogueAdminOptions {
  readonly pool: Pool;
  readonly reader: CatalogueReader;
  readonly allocator: Pick<AllocatorPort, "ask">;
  readonly timers: Timers;
  readonly log: Log;
  /** After a commit: other gateways keep answers too. */
  readonly onChanged?: () => void;
}

/** `behind`: shows that could not be told; they go on with their old terms until their owner loads them again. */
export type ImportOutcome = (Imported & { readonly behind: readonly ShowId[] }) | ImportRefused | { kind: "busy" };
export type ShowOutcome = ShowWritten & { readonly behind: readonly ShowId[] };

const IMPORTS_WAITING_MAX = 3;
const REFRESH_AT_ONCE = 16;
const REFRESH_DEADLINE_MS = 5_000;

export class CatalogueAdmin {
  readonly #options: CatalogueAdminOptions;
  #imports = 0;
  #lastImport: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogueAdminOptions) {
    this.#options = options;
  }

  async import(document: unknown): Promise<ImportOutcome> {
    if (this.#imports > IMPORTS_WAITING_MAX) return { kind: "busy" };
    this.#imports += 1;
    const turn = this.#lastImport.then(() => this.#import(document));
    this.#lastImport = turn.catch(() => undefined);
    return turn.finally(() => {
      this.#imports -= 1;
    });
  }

  async #import(document: unknown): Promise<ImportOutcome> {
    const { pool, timers } = this.#options;
    const pause = () => new Promise<void>((resolve) => void timers.setImmediate(resolve));
    const result = await importCatalogue(pool, document, pause);
    if (result.kind === "refused") return result;
    return { ...result, behind: await this.#follow(result.changedShows) };
  }

  async createShow(show: CatalogueShow, operation: Operation): Promise<ShowOutcome> {
    return this.#finish(await createShow(this.#options.pool, show, operation));
  }

  async patchShow(showId: ShowId, patch: CatalogueShowPatch, operation: Operation): Promise<ShowOutcome> {
    return this.#finish(await patchShow(this.#options.pool, showId, patch, operation));
  }

  /** Its owner is told each time it is asked for, done before or not: a show must not go on unaware of its end. */
  async cancelShow(showId: ShowId, operation: Operation): Promise<ShowOutcome> {
    const written = await cancelShow(this.#options.pool, showId, operation);
    const isCancelled = written.kind === "written" || written.kind === "replayed";
    return { ...written, behind: isCancelled ? await this.#follow([showId]) : [] };
  }

  async #finish(written: ShowWritten): Promise<ShowOutcome> {
    if (written.kind !== "written") return { ...written, behind: [] };
    return { ...written, behind: await this.#follow(written.termsChanged ? [written.showId] : []) };
  }

  /** After the commit. Answers the shows that could not be told. */
  async #follow(changed: readonly ShowId[]): Promise<ShowId[]> {
    this.#options.reader.invalidate();
    this.#options.onChanged?.();
    const behind: ShowId[] = [];
    const rest = changed.values();
    const tell = async (): Promise<void> => {
      for (const showId of rest) if (!(await this.#refresh(showId))) behind.push(showId);
    };
    await Promise.all(Array.from({ length: REFRESH_AT_ONCE }, tell));
    if (behind.length > 0)
      this.#options.log.warn({ shows: behind.length, first: behind[0] }, "shows not told of their new terms");
    return behind;
  }

  async #refresh(showId: ShowId): Promise<boolean> {
    const reply = await this.#options.allocator.ask(showId, { kind: "RefreshTerms" }, REFRESH_DEADLINE_MS);
    return reply.kind === "done";
  }
}
