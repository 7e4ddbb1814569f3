-- Keys are forgotten seven days after their first call (docs/decisions/0600-surfaces.md); found by age.
CREATE INDEX idempotency_keys_age ON tools.idempotency_keys (claimed_at);
