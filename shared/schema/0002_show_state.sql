-- Up Migration
-- What the turns write. Every key of show state starts with show_id, so shows can be spread over several servers
-- (cells). Times are milliseconds since the epoch, so that replay(log) = tables holds to the digit.

-- One row a server: the last moment it was written to. A gap is time in which nobody could do anything.
CREATE TABLE cell (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  alive_at timestamptz NOT NULL
);
INSERT INTO cell (alive_at) VALUES (clock_timestamp());

-- Gaps longer than 2 s. A show that is loaded moves its deadlines by those it has not yet been moved by.
CREATE TABLE outage (
  outage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  began_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  length_ms bigint NOT NULL
);

-- The authority over a show: who owns it (epoch) and how far its log goes (seq). Rewritten by every commit, so it
-- carries the seat map too and a takeover needs no walk over sold seats.
CREATE TABLE show_lease (
  show_id text PRIMARY KEY,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  owner text NOT NULL,
  view bigint NOT NULL,
  -- something in it has a deadline: a takeover claims it at once, not on first touch
  active boolean NOT NULL,
  last_at bigint NOT NULL,
  outage_id bigint NOT NULL,
  layout_id text NOT NULL,
  -- one character a seat, 0 free, 1 held, 2 sold, 3 blocked
  seats text NOT NULL,
  -- free seats by category, in the layout's category order
  free integer[] NOT NULL,
  terms jsonb NOT NULL
) WITH (fillfactor = 50);

-- Append-only: the audit trail, and what the outbox publishes. One row a turn.
CREATE TABLE show_log (
  show_id text NOT NULL,
  seq bigint NOT NULL,
  epoch bigint NOT NULL,
  at bigint NOT NULL,
  events text NOT NULL,
  PRIMARY KEY (show_id, seq)
);

CREATE TABLE booking (
  show_id text NOT NULL,
  -- the 22 characters behind the show id
  id text NOT NULL,
  session text NOT NULL,
  status text NOT NULL,
  version bigint NOT NULL,
  seats smallint[] NOT NULL,
  total bigint NOT NULL,
  currency text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  -- the server acts on a hold at expires_at + grace_ms; it stands in the line of deadlines that are line_ms long
  grace_ms bigint NOT NULL,
  line_ms bigint NOT NULL,
  booked_at bigint,
  reason text,
  extended boolean NOT NULL,
  request_hash bigint NOT NULL,
  -- everything about its payment, NULL before there is one
  payment jsonb,
  contact_email text,
  PRIMARY KEY (show_id, id)
) WITH (fillfactor = 70);
CREATE INDEX booking_by_session ON booking (session);

-- The last wall against a double sale.
CREATE TABLE sold_seat (
  show_id text NOT NULL,
  seat smallint NOT NULL,
  booking_id text NOT NULL,
  PRIMARY KEY (show_id, seat)
);

-- What a key made, for commands that make no row of their own.
CREATE TABLE operation (
  show_id text NOT NULL,
  id text NOT NULL,
  request_hash bigint NOT NULL,
  at bigint NOT NULL,
  -- the booking it was about, or the seats
  result text NOT NULL,
  PRIMARY KEY (show_id, id)
);

-- Secrets every process shares: made once, by whoever comes first.
CREATE TABLE secret (
  name text PRIMARY KEY,
  value bytea NOT NULL
);
