-- The term of the leader that writes receipts: one that was deposed without knowing it yet overwrites nothing of a later one.
CREATE TABLE gateway.receipts_term (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  term bigint NOT NULL
);
INSERT INTO gateway.receipts_term VALUES (true, 0);
-- Nobody wants that section on that node any more. The row stays for a while, so that the other processes hear of it.
ALTER TABLE gateway.receipts ADD COLUMN gone_at timestamptz;
CREATE INDEX receipts_gone ON gateway.receipts (gone_at) WHERE gone_at IS NOT NULL;
