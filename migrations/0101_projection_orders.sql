-- What operators order about a projection is in the log (streams projection-<name>); here is what a table has done about it.

-- Positions of the events that this table passed without folding them, because an operator said so. Moves with `position`, so
-- that a table that folded an event which the log says is to be skipped is recognised, and built anew.
ALTER TABLE processing.projections ADD COLUMN skipped bigint[] NOT NULL DEFAULT '{}';
-- The newest order to rebuild that this table answers: a later one makes another table.
ALTER TABLE processing.projections ADD COLUMN ordered_at bigint NOT NULL DEFAULT 0;
