-- What nodes have applied, as the process that has their streams heard it: for the other processes' answers. A row for each node
-- and section, overwritten; not in the log, which a thousand nodes would flood. Worth nothing after a restore: the nodes say it again.
CREATE SEQUENCE gateway.receipt_changes;
CREATE TABLE gateway.receipts (
  instance_id text COLLATE "C" NOT NULL,
  section text COLLATE "C" NOT NULL,
  -- Positions in the log; null: nothing applied yet, or no stream.
  applied bigint,
  sent bigint,
  problems text[] NOT NULL,
  change bigint NOT NULL DEFAULT nextval('gateway.receipt_changes'),
  PRIMARY KEY (instance_id, section)
) WITH (fillfactor = 70);
CREATE INDEX receipts_by_change ON gateway.receipts (change);
