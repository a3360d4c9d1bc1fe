-- Up Migration
-- Which tickets of a booking were used, when and at which gate: [{seat, at, gate}], NULL while none was.
ALTER TABLE booking ADD COLUMN used jsonb;
