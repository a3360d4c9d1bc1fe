-- Up Migration
-- Whoever queues for seats of a show, from joining to its end. One row, one life: a key that joined joins no other line.
CREATE TABLE waiter (
  show_id text NOT NULL,
  -- the 22 characters behind the show id
  id text NOT NULL,
  -- the log sequence of its joining: the order of the line
  place bigint NOT NULL,
  session text NOT NULL,
  quantity smallint NOT NULL,
  -- indices it accepts, in the layout's category order
  categories smallint[] NOT NULL,
  accessible boolean NOT NULL,
  contiguous boolean NOT NULL,
  status text NOT NULL,
  version bigint NOT NULL,
  joined_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  ended_at bigint,
  request_hash bigint NOT NULL,
  -- {seats, total, currency, expiresAt, graceMs, lineMs}: what it is offered now
  offer jsonb,
  -- the 22 characters of the hold that an accepted offer became
  hold_id text,
  PRIMARY KEY (show_id, id)
) WITH (fillfactor = 70);
-- The line, as a takeover loads it. Offers come and go without touching it: only an end does.
CREATE INDEX waiter_in_line ON waiter (show_id, place) WHERE ended_at IS NULL;
