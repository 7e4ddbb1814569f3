-- Seals over the event log. What makes them worth something is outside the database: the signing key is encrypted under the
-- master key of the data directory, and each seal is also appended to a file. Here only carelessness is kept out.
CREATE SCHEMA audit;

-- One row. A seal or a key is added by whoever finds this row as it expects it, in one statement: no fork, no gap.
CREATE TABLE audit.head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- Of the leader that seals; a later one fences an earlier one.
  epoch bigint NOT NULL,
  seal_seq bigint NOT NULL,
  key_seq integer NOT NULL,
  -- Up to this seal the file sink of the leader has everything.
  exported_seq bigint NOT NULL,
  -- Somebody asked for a seal over everything up to here.
  wanted bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO audit.head VALUES (true, 0, 0, 0, 0, 0);

-- `record` is the signed public key in canonical JSON; the private key is in access.secrets.
CREATE TABLE audit.keys (
  seq integer PRIMARY KEY CHECK (seq > 0),
  key_id text COLLATE "C" NOT NULL UNIQUE,
  command_id text COLLATE "C" NOT NULL UNIQUE,
  record text COLLATE "C" NOT NULL
);

-- `seal` is the signed line as it stands in the file sink; the columns are derived from it. `leaves` are the hashes under its
-- Merkle root, 32 bytes each: they cannot be forged against the root, and name the very event that was altered.
-- `places`: of each event its uuid (16 bytes) and position (8 bytes), where the store itself cannot find an event by its id.
CREATE TABLE audit.seals (
  seq bigint PRIMARY KEY CHECK (seq > 0),
  from_position bigint NOT NULL,
  to_position bigint NOT NULL UNIQUE,
  seal text COLLATE "C" NOT NULL,
  leaves bytea NOT NULL,
  places bytea,
  CHECK (from_position <= to_position)
);
ALTER TABLE audit.seals ALTER COLUMN leaves SET STORAGE EXTERNAL, ALTER COLUMN places SET STORAGE EXTERNAL;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.seals
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.keys
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
CREATE TRIGGER stays BEFORE INSERT OR DELETE OR TRUNCATE ON audit.head
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
