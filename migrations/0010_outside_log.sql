-- Which log outside this database (KurrentDB) its read models, checkpoints and timers were made from. One row, written at
-- the first start on that log and never changed: positions of one log mean nothing in another, so a platform that finds
-- itself between a database and a log that do not belong together must refuse to start.
CREATE TABLE es.outside_log (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  identity uuid NOT NULL,
  bound_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER stays BEFORE UPDATE OR DELETE OR TRUNCATE ON es.outside_log
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
