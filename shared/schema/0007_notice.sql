-- Up Migration
-- Who was written to about a booking, and what became of it: one row for each piece of news that somebody was to hear of
-- by mail. No address is in it: that is the booking's.
CREATE TABLE notice (
  -- `show_id:seq:index` of the log
  news_id text PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('waiting', 'sending', 'sent', 'failed')),
  -- each attempt is a claim, and this its number
  attempts integer NOT NULL,
  -- nobody else tries before that moment, unless the attempt has said how it ended
  claimed_until timestamptz NOT NULL,
  -- since when the mail server puts this mail off, though it takes others
  deferred_since timestamptz,
  at timestamptz NOT NULL,
  -- why it failed or waits: codes, never what the mail server wrote
  reason text
);
