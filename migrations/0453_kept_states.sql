-- What long streams folded to, so that a process that starts reads what came after and not all of it. All of it follows from the log:
-- emptying both tables costs one reading of each stream. `seal` is a keyed digest that only the platform's processes can make.
CREATE TABLE processing.kept_states (
  stream text COLLATE "C" NOT NULL,
  -- Which fold, in which version of its code.
  fold text COLLATE "C" NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  position bigint NOT NULL,
  event_id uuid NOT NULL,
  state text NOT NULL,
  seal bytea NOT NULL,
  PRIMARY KEY (stream, fold)
);
ALTER TABLE processing.kept_states ALTER COLUMN state SET STORAGE EXTERNAL;

-- The commands that made the events before: the first 16 bytes of the sha256 of each one's id, and where its last event is.
CREATE TABLE processing.kept_commands (
  stream text COLLATE "C" NOT NULL,
  fold text COLLATE "C" NOT NULL,
  command bytea NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (stream, fold, command)
);
