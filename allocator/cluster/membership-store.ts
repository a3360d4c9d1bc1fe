// The cluster's rows in Postgres: who lives, and the view. One statement each; Postgres's clock judges.
// Witnesses of a death: a heartbeat that is old, or the advisory lock of a connection that is closed, which falls within
// milliseconds when a process is killed. Silence on the bus alone is none.

import { type ClusterView, type Member, viewFrom } from "../../shared/cluster/view.ts";
import type { Pool } from "../../shared/platform/postgres.ts";

/** "ushn" in ASCII: the space of node locks. */
export const NODE_LOCK_SPACE = 0x75_73_68_6e;

/** 31 bits of the id: two nodes of one key only lose the faster witness. */
export function nodeLockKey(nodeId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < nodeId.length; i += 1) hash = Math.imul(hash ^ nodeId.charCodeAt(i), 0x01000193);
  return hash & 0x7fffffff;
}

export interface Beat {
  /** This incarnation is still one of the living. */
  readonly isAlive: boolean;
  readonly viewVersion: number;
  /** When this was: the store's clock. */
  readonly storeNowMs: number;
}

/** What a judgement rests on. */
export interface Grounds {
  /** A heartbeat older than this is a witness. */
  readonly staleMs: number;
  /** By the store's clock: later nobody is set dead. The store may have stood still, and all heartbeats be old. */
  readonly untilStoreMs: number;
}

/** `dead`: set dead now or before, or of a later incarnation; its place in the view is free. */
export type Verdict = "alive" | "dead";

export interface MembershipStore {
  /** Takes the next incarnation of the node. */
  join(nodeId: string): Promise<number>;
  beat(nodeId: string, incarnation: number): Promise<Beat>;
  /** Sets the node dead if a witness says so: see above. */
  judge(suspect: Member, grounds: Grounds): Promise<Verdict>;
  setState(nodeId: string, incarnation: number, state: "leaving" | "dead"): Promise<void>;
  view(): Promise<ClusterView>;
  /** Compare-and-set: `false` when the view is no longer of that version. */
  changeView(version: number, members: readonly Member[]): Promise<boolean>;
}

export class PostgresMembershipStore implements MembershipStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async join(nodeId: string): Promise<number> {
    const { rows } = await this.#pool.query<{ incarnation: number }>(
      `INSERT INTO node (node_id, incarnation, state, hb_at) VALUES ($1, 1, 'up', clock_timestamp())
       ON CONFLICT (node_id) DO UPDATE SET incarnation = node.incarnation + 1, state = 'up', hb_at = clock_timestamp()
       RETURNING incarnation`,
      [nodeId],
    );
    return (rows[0] as { incarnation: number }).incarnation;
  }

  async beat(nodeId: string, incarnation: number): Promise<Beat> {
    const { rows } = await this.#pool.query<{ is_alive: boolean; version: number; now_ms: number }>({
      name: "node-beat",
      text: `WITH beat AS (UPDATE node SET hb_at = clock_timestamp()
                           WHERE node_id = $1 AND incarnation = $2 AND state <> 'dead' RETURNING true)
             SELECT EXISTS (SELECT FROM beat) AS is_alive, version,
                    (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms
             FROM cluster_view`,
      values: [nodeId, incarnation],
    });
    const row = rows[0] as { is_alive: boolean; version: number; now_ms: number };
    return { isAlive: row.is_alive, viewVersion: row.version, storeNowMs: row.now_ms };
  }

  async judge({ nodeId, incarnation }: Member, { staleMs, untilStoreMs }: Grounds): Promise<Verdict> {
    const { rows } = await this.#pool.query<{ is_dead: boolean }>({
      name: "node-judge",
      text: `WITH fallen AS (
               UPDATE node SET state = 'dead'
               WHERE node_id = $1 AND incarnation = $2 AND state <> 'dead'
                 AND extract(epoch FROM clock_timestamp()) * 1000 < $6::float8
                 AND (hb_at < clock_timestamp() - $3 * interval '1 millisecond' OR NOT EXISTS (
                   SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $4::oid AND objid = $5::oid
                     AND objsubid = 2 AND granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))
               RETURNING true)
             SELECT EXISTS (SELECT FROM fallen) OR NOT EXISTS (
               SELECT FROM node WHERE node_id = $1 AND incarnation = $2 AND state <> 'dead') AS is_dead`,
      values: [nodeId, incarnation, staleMs, NODE_LOCK_SPACE, nodeLockKey(nodeId), untilStoreMs],
    });
    return rows[0]?.is_dead === true ? "dead" : "alive";
  }

  async setState(nodeId: string, incarnation: number, state: "leaving" | "dead"): Promise<void> {
    await this.#pool.query("UPDATE node SET state = $3 WHERE node_id = $1 AND incarnation = $2 AND state <> 'dead'", [
      nodeId,
      incarnation,
      state,
    ]);
  }

  async view(): Promise<ClusterView> {
    const { rows } = await this.#pool.query({ name: "view", text: "SELECT version, members FROM cluster_view" });
    const view = viewFrom(rows[0]);
    if (view === undefined) throw new Error("the store has no view of the cluster");
    return view;
  }

  async changeView(version: number, members: readonly Member[]): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: "change-view",
      text: `UPDATE cluster_view SET version = version + 1, members = $2, changed_at = clock_timestamp()
             WHERE version = $1`,
      values: [version, JSON.stringify(members)],
    });
    return rowCount === 1;
  }
}
