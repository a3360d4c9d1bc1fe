-- Up Migration
-- Where and what: lives in the first cell. Layouts are immutable; everything else may be updated by an import.

CREATE TABLE city (
  city_id text PRIMARY KEY,
  name text NOT NULL,
  state text NOT NULL,
  country text NOT NULL
);

CREATE TABLE cinema (
  cinema_id text PRIMARY KEY,
  city_id text NOT NULL REFERENCES city,
  name text NOT NULL,
  address text NOT NULL,
  postal_code text NOT NULL,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  time_zone text NOT NULL
);
CREATE INDEX cinema_by_city ON cinema (city_id);

CREATE TABLE layout (
  layout_id text PRIMARY KEY,
  -- {layout_id, focus, seats}, as GET /v1/layouts/{layout_id} serves it
  plan jsonb NOT NULL,
  -- distinct categories in the order of their first seat, and the seats of each
  categories text[] NOT NULL,
  category_seats integer[] NOT NULL
);

CREATE TABLE hall (
  hall_id text PRIMARY KEY,
  cinema_id text NOT NULL REFERENCES cinema,
  name text NOT NULL,
  layout_id text NOT NULL REFERENCES layout
);
CREATE INDEX hall_by_cinema ON hall (cinema_id);

CREATE TABLE movie (
  movie_id text PRIMARY KEY,
  title text NOT NULL,
  description text NOT NULL,
  duration_min integer NOT NULL,
  genre text NOT NULL,
  language text NOT NULL,
  release_date date,
  country text NOT NULL
);

CREATE TABLE show (
  show_id text PRIMARY KEY,
  movie_id text NOT NULL REFERENCES movie,
  hall_id text NOT NULL REFERENCES hall,
  -- copied from the hall: a show keeps the plan it was put on sale with
  cinema_id text NOT NULL REFERENCES cinema,
  layout_id text NOT NULL REFERENCES layout,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  -- {category: minor units}
  prices jsonb NOT NULL,
  currency text NOT NULL,
  sales_cutoff timestamptz NOT NULL,
  -- NULL: the service's default
  hold_ttl_s integer,
  grace_s integer,
  offer_ttl_s integer,
  waitlist_policy text NOT NULL DEFAULT 'strict' CHECK (waitlist_policy IN ('strict', 'first_fit')),
  single_gap text NOT NULL DEFAULT 'allow' CHECK (single_gap IN ('allow', 'reject')),
  gated boolean NOT NULL DEFAULT false,
  cancelled boolean NOT NULL DEFAULT false
);
CREATE INDEX show_by_movie ON show (movie_id, starts_at);
CREATE INDEX show_by_cinema ON show (cinema_id, starts_at);
