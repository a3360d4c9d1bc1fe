-- Up Migration
-- What an idempotency key made in the catalogue: a show created or changed. Kept for a day.
CREATE TABLE catalogue_operation (
  -- keyed hash of (session, show, key)
  id text PRIMARY KEY,
  request_hash bigint NOT NULL,
  show_id text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX catalogue_operation_by_age ON catalogue_operation (at);
