-- Up Migration
-- Who is told of what happens in the shows (shared/protocol/show-news.ts), and how far. The news itself is the log.
CREATE TABLE news_sink (
  name text PRIMARY KEY,
  -- it hears of nothing before that
  since timestamptz NOT NULL
);

-- Everything of the show up to and including `seq` is safe with the sink. It may lag behind: then some is told twice.
CREATE TABLE news_cursor (
  sink text NOT NULL,
  show_id text NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (sink, show_id)
);
