// Which news has been written to somebody: the table `notice`.
// N1: a mail is sent under a claim only, and a claim keeps everybody else out until it is over. So two who are told the
//     same news at once send one mail, unless a claim's holder stood still for longer than its claim.
// N2: what has ended (sent, failed) is not tried again.
// N3: that a mail was sent is written down after the mail server has taken it. Whoever dies in between leaves a claim;
//     when it is over the mail is sent once more, with the same Message-ID.

import type { Pool } from "../../shared/platform/postgres.ts";

export interface Claim {
  readonly newsId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** For how long the mail server has been putting it off; 0 when it has not. */
  readonly deferredMs: number;
}

export type Outcome =
  | { readonly status: "sent" }
  | { readonly status: "failed"; readonly reason: string }
  /** To be tried again, by anybody. `isDeferred`: the mail server puts off this mail, not all. */
  | { readonly status: "waiting"; readonly reason: string; readonly isDeferred: boolean };

export class Notices {
  readonly #pool: Pool;
  /** A claim lasts so long: longer than any attempt. */
  readonly #claimMs: number;

  constructor(pool: Pool, claimMs: number) {
    this.#pool = pool;
    this.#claimMs = claimMs;
  }

  /** Those of the news that nobody has to be told any more. */
  async ended(newsIds: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.#pool.query<{ news_id: string }>({
      name: "notice_ended",
      text: "SELECT news_id FROM notice WHERE news_id = ANY($1) AND status IN ('sent', 'failed')",
      values: [newsIds],
    });
    return new Set(rows.map((row) => row.news_id));
  }

  /** `ended`: it was told. `taken`: somebody else is at it. */
  async claim(newsId: string): Promise<Claim | "ended" | "taken"> {
    const { rows } = await this.#pool.query<{ attempts: number; deferred_ms: number }>({
      name: "notice_claim",
      text: `INSERT INTO notice AS n (news_id, status, attempts, claimed_until, at)
             VALUES ($1, 'sending', 1, now() + $2 * interval '1 ms', now())
             ON CONFLICT (news_id) DO UPDATE
               SET status = 'sending', attempts = n.attempts + 1, claimed_until = EXCLUDED.claimed_until, at = now()
               WHERE n.status = 'waiting' OR (n.status = 'sending' AND n.claimed_until < now())
             RETURNING attempts, coalesce(extract(epoch FROM now() - deferred_since) * 1000, 0)::int8 AS deferred_ms`,
      values: [newsId, this.#claimMs],
    });
    const [row] = rows;
    if (row !== undefined) return { newsId, attempt: row.attempts, deferredMs: row.deferred_ms };
    return (await this.ended([newsId])).has(newsId) ? "ended" : "taken";
  }

  /** How an attempt ended. That it was sent counts also when its claim is over; a failure only while it is not. */
  async record({ newsId, attempt }: Claim, outcome: Outcome): Promise<void> {
    const { status } = outcome;
    const reason = outcome.status === "sent" ? null : outcome.reason;
    await this.#pool.query({
      name: "notice_record",
      text: `UPDATE notice SET status = $3, reason = $4, at = now(), claimed_until = now(),
               deferred_since = CASE WHEN $5 THEN coalesce(deferred_since, now()) ELSE deferred_since END
             WHERE news_id = $1 AND status <> 'sent' AND ($3 = 'sent' OR (attempts = $2 AND status = 'sending'))`,
      values: [newsId, attempt, status, reason, outcome.status === "waiting" && outcome.isDeferred],
    });
  }
}
