// One show at a time: made and changed by an administrator, under the same rules as in an import and in turn with it.
// S1: the idempotency key and what it made are committed together, so that a lost answer can be asked for again.
// S2: what is refused leaves nothing behind, the key neither.

import { randomBytes } from "node:crypto";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Pool, PoolClient } from "../../shared/platform/postgres.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import { type Issue, Issues } from "./check.ts";
import { type CatalogueShow, type CatalogueShowPatch, timeIssues } from "./document.ts";
import { READABLE_ID_BYTES, readableId } from "./readable-id.ts";
import { checkPrices, loadKnown, resolveShow, type ShowRow } from "./references.ts";
import { inTransaction, lockCatalogue, upsertShows } from "./store.ts";
import { instantMs, instantText } from "./times.ts";

export type ShowWritten =
  /** `termsChanged`: whoever sells it must read its terms again. */
  | { readonly kind: "written"; readonly showId: ShowId; readonly termsChanged: boolean }
  /** The same key had already done this; nothing happened now. */
  | { readonly kind: "replayed"; readonly showId: ShowId }
  | { readonly kind: "refused"; readonly issues: readonly Issue[] }
  /** The body names the id of a show that is there already. */
  | { readonly kind: "exists" }
  | { readonly kind: "not_found" }
  /** The key belongs to another request. */
  | { readonly kind: "reused" };

const isWritten = (written: ShowWritten): boolean => written.kind === "written";

/** Its id is the one in the body, else 16 readable random characters. */
export function createShow(pool: Pool, show: CatalogueShow, operation: Operation): Promise<ShowWritten> {
  return inTransaction(pool, (client) => create(client, show, operation), isWritten);
}

export function patchShow(
  pool: Pool,
  showId: ShowId,
  patch: CatalogueShowPatch,
  operation: Operation,
): Promise<ShowWritten> {
  return inTransaction(pool, (client) => change(client, { showId, patch, operation }), isWritten);
}

/** Its sales and its line close, whoever holds it releases its holds and cancels its bookings. There is no way back. */
export function cancelShow(pool: Pool, showId: ShowId, operation: Operation): Promise<ShowWritten> {
  return inTransaction(pool, (client) => cancel(client, showId, operation), isWritten);
}

async function cancel(client: PoolClient, showId: ShowId, operation: Operation): Promise<ShowWritten> {
  await lockCatalogue(client);
  const { rows } = await client.query<{ cancelled: boolean }>(
    "SELECT cancelled FROM show WHERE show_id = $1 FOR NO KEY UPDATE",
    [showId],
  );
  if (rows[0] === undefined) return { kind: "not_found" };
  const prior = await claimKey(client, operation, showId);
  if (prior !== undefined) return prior;
  await client.query("UPDATE show SET cancelled = true WHERE show_id = $1 AND NOT cancelled", [showId]);
  return { kind: "written", showId, termsChanged: !rows[0].cancelled };
}

async function create(client: PoolClient, show: CatalogueShow, operation: Operation): Promise<ShowWritten> {
  await lockCatalogue(client);
  const showId = (show.show_id ?? readableId(randomBytes(READABLE_ID_BYTES))) as ShowId;
  const prior = await claimKey(client, operation, showId);
  if (prior !== undefined) return prior;
  const identified = { ...show, show_id: showId };
  const known = await loadKnown(client, { cities: [], layouts: [], cinemas: [], movies: [], shows: [identified] });
  if (known.storedShows.has(showId)) return { kind: "exists" };
  const issues = new Issues();
  const row = resolveShow(identified, [], known, issues);
  if (row === undefined || issues.found.length > 0) return { kind: "refused", issues: issues.found };
  await upsertShows(client, [row]);
  return { kind: "written", showId, termsChanged: false };
}

/** Remembers the key for a day, or answers what it did before. A transaction under way with the same key is waited for. */
async function claimKey(client: PoolClient, operation: Operation, showId: ShowId): Promise<ShowWritten | undefined> {
  await client.query("DELETE FROM catalogue_operation WHERE at < now() - interval '24 hours'");
  const claimed = await client.query(
    `INSERT INTO catalogue_operation (id, request_hash, show_id) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
    [operation.id, operation.requestHash, showId],
  );
  if (claimed.rowCount === 1) return undefined;
  const { rows } = await client.query<{ request_hash: number; show_id: ShowId }>(
    "SELECT request_hash, show_id FROM catalogue_operation WHERE id = $1",
    [operation.id],
  );
  const [prior] = rows;
  if (prior === undefined || prior.request_hash !== operation.requestHash) return { kind: "reused" };
  return { kind: "replayed", showId: prior.show_id };
}

type StoredShow = Omit<ShowRow, "starts_at" | "ends_at" | "sales_cutoff"> & {
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly sales_cutoff: Date;
  readonly categories: string[];
};

interface Change {
  readonly showId: ShowId;
  readonly patch: CatalogueShowPatch;
  readonly operation: Operation;
}

async function change(client: PoolClient, { showId, patch, operation }: Change): Promise<ShowWritten> {
  await lockCatalogue(client);
  const { rows } = await client.query<StoredShow>(
    `SELECT s.show_id, s.movie_id, s.hall_id, s.cinema_id, s.layout_id, s.starts_at, s.ends_at, s.prices, s.currency,
            s.sales_cutoff, s.hold_ttl_s, s.grace_s, s.offer_ttl_s, s.waitlist_policy, s.single_gap, s.gated,
            l.categories
     FROM show s JOIN layout l USING (layout_id) WHERE s.show_id = $1 FOR NO KEY UPDATE OF s`,
    [showId],
  );
  const [stored] = rows;
  if (stored === undefined) return { kind: "not_found" };
  const prior = await claimKey(client, operation, showId);
  if (prior !== undefined) return prior;
  const { categories, ...show } = stored;
  const times = movedTimes(stored, patch);
  const issues = new Issues();
  for (const issue of timeIssues(times)) issues.add(issue.path, issue.message);
  const known = { categories: new Map([[show.layout_id, categories]]) };
  if (patch.prices !== undefined)
    checkPrices(patch.prices, { layoutId: show.layout_id, known, path: ["prices"], issues });
  if (issues.found.length > 0) return { kind: "refused", issues: issues.found };
  const row: ShowRow = {
    ...show,
    ...patched(show, patch),
    starts_at: instantText(times.startsAt),
    ends_at: instantText(times.endsAt),
    sales_cutoff: instantText(times.salesCutoff),
  };
  const { changed } = await upsertShows(client, [row]);
  return { kind: "written", showId, termsChanged: changed.length > 0 };
}

function patched(show: Omit<StoredShow, "categories">, patch: CatalogueShowPatch) {
  return {
    prices: patch.prices ?? show.prices,
    currency: patch.currency ?? show.currency,
    hold_ttl_s: patch.hold_ttl_s === undefined ? show.hold_ttl_s : patch.hold_ttl_s,
    grace_s: patch.grace_s === undefined ? show.grace_s : patch.grace_s,
    offer_ttl_s: patch.offer_ttl_s === undefined ? show.offer_ttl_s : patch.offer_ttl_s,
    waitlist_policy: patch.waitlist_policy ?? show.waitlist_policy,
    single_gap: patch.single_gap ?? show.single_gap,
    gated: patch.gated ?? show.gated,
  };
}

/** A new start moves the end and the sales cutoff along, unless they are given too. */
function movedTimes(stored: StoredShow, patch: CatalogueShowPatch) {
  const startsAt = patch.starts_at === undefined ? stored.starts_at.getTime() : instantMs(patch.starts_at);
  const movedBy = startsAt - stored.starts_at.getTime();
  const endsAt = patch.ends_at === undefined ? stored.ends_at.getTime() + movedBy : instantMs(patch.ends_at);
  const { sales_cutoff: cutoff } = patch;
  if (cutoff === null) return { startsAt, endsAt, salesCutoff: startsAt };
  const salesCutoff = cutoff === undefined ? stored.sales_cutoff.getTime() + movedBy : instantMs(cutoff);
  return { startsAt, endsAt, salesCutoff };
}
