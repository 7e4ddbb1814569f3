-- Which arguments came under which idempotency key. Invariant: the first claim of a key stands for good, so that the same
-- key with other arguments is noticed on every platform process and after every restart. Arguments are kept as a digest
-- only: they may hold secrets.
CREATE SCHEMA tools;
CREATE TABLE tools.idempotency_keys (
  call_id uuid PRIMARY KEY,
  arguments_digest text COLLATE "C" NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now()
);
