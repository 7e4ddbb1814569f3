-- A subject whose end is in the log keeps its row without a data key: nothing is ever sealed for it again (a handshake that
-- was under way when its cluster was decommissioned must not leave a secret that nobody shreds), and who asks is told that
-- the secret was shredded, and when. Invariant: a row has a data key until it has ended, and never after.
ALTER TABLE access.subject_keys
  ALTER COLUMN wrapped DROP NOT NULL,
  ADD COLUMN ended_at timestamptz,
  -- Of the data key that was shredded; null when the subject never had one.
  ADD COLUMN shredded_key_id uuid,
  ADD COLUMN shredded_names text[] COLLATE "C" NOT NULL DEFAULT '{}',
  ADD CONSTRAINT key_until_ended CHECK ((wrapped IS NULL) = (ended_at IS NOT NULL));

-- Ends a subject: its data key and everything sealed under it go in one transaction; again changes nothing. A writer that
-- holds the old key id either finishes before (and is shredded too) or violates the foreign key, because the id changes.
CREATE FUNCTION access.end_subject(p_subject text) RETURNS SETOF access.subject_keys LANGUAGE plpgsql AS $$
DECLARE
  v_row access.subject_keys;
BEGIN
  INSERT INTO access.subject_keys (subject, key_id, wrapped, ended_at) VALUES (p_subject, gen_random_uuid(), NULL, now())
    ON CONFLICT (subject) DO NOTHING;
  SELECT * INTO v_row FROM access.subject_keys WHERE subject = p_subject FOR UPDATE;
  IF v_row.ended_at IS NULL THEN
    WITH gone AS (DELETE FROM access.secrets WHERE subject = p_subject RETURNING name)
      SELECT coalesce(array_agg(name ORDER BY name), '{}') INTO v_row.shredded_names FROM gone;
    UPDATE access.subject_keys
       SET wrapped = NULL, ended_at = now(), key_id = gen_random_uuid(), shredded_key_id = v_row.key_id,
           shredded_names = v_row.shredded_names
     WHERE subject = p_subject;
  END IF;
  RETURN QUERY SELECT * FROM access.subject_keys WHERE subject = p_subject;
END $$;
