-- Secrets, sealed by the platform before they come here (AES-256-GCM under a data key per subject; the data key is wrapped
-- by a master key that is never in the database). Invariant: a sealed secret exists only while its data key does, so
-- deleting the key shreds everything of its subject in one statement.
CREATE SCHEMA access;

CREATE TABLE access.subject_keys (
  subject text COLLATE "C" PRIMARY KEY,
  key_id uuid NOT NULL,
  wrapped bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (subject, key_id)
);

CREATE TABLE access.secrets (
  subject text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  key_id uuid NOT NULL,
  sealed bytea NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subject, name),
  FOREIGN KEY (subject, key_id) REFERENCES access.subject_keys (subject, key_id) ON DELETE CASCADE
);
