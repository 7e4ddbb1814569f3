-- The master key can be replaced while everything runs: each data key says by which master key it is wrapped (null: by the one
-- before the first rotation), and processes say which master keys they have. While a rotation is under way,
-- processing.identity has 'master_key_next' beside 'master_key', and data keys are wrapped by either. Invariant: once
-- 'master_key' names a key, every data key is wrapped by it, and none is added that is wrapped by an older one.
ALTER TABLE access.subject_keys ADD COLUMN wrapped_by text COLLATE "C";

CREATE TABLE access.master_key_holders (
  holder uuid PRIMARY KEY,
  -- Host, process and data directory, for an operator who has to find it.
  label text NOT NULL,
  fingerprints text[] COLLATE "C" NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now()
);

-- The last step of a rotation, unless data keys are left to be wrapped anew; again changes nothing. The lock keeps writers of
-- further data keys out, who look at processing.identity in the same statement.
CREATE FUNCTION access.finish_master_key_rotation(p_fingerprint text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE access.subject_keys IN SHARE ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM processing.identity WHERE name = 'master_key_next' AND fingerprint = p_fingerprint) THEN
    RETURN EXISTS (SELECT FROM processing.identity WHERE name = 'master_key' AND fingerprint = p_fingerprint);
  END IF;
  IF EXISTS (SELECT FROM access.subject_keys WHERE wrapped IS NOT NULL AND wrapped_by IS DISTINCT FROM p_fingerprint) THEN
    RETURN false;
  END IF;
  UPDATE processing.identity SET fingerprint = p_fingerprint WHERE name = 'master_key';
  DELETE FROM processing.identity WHERE name = 'master_key_next';
  RETURN true;
END $$;
