-- Up Migration
-- The nodes of the cluster and which of them should own the shows. In the first cell only.

-- One row a node, whatever became of it. `hb_at` is written several times a second and judged by this server's clock.
CREATE TABLE node (
  node_id text PRIMARY KEY,
  -- counts its lives: a deposed one comes back as the next
  incarnation bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('up', 'leaving', 'dead')),
  hb_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- One row. Each change is a compare-and-set of the version.
CREATE TABLE cluster_view (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version bigint NOT NULL,
  -- [{nodeId, incarnation, state}]
  members jsonb NOT NULL,
  changed_at timestamptz NOT NULL
);
INSERT INTO cluster_view (version, members, changed_at) VALUES (0, '[]', clock_timestamp());
