-- What turns the log into read models and process managers' work. All of it follows from the log: dropping these schemas
-- and starting again gives the same read models and timers (the epochs start over with them).
CREATE SCHEMA processing;
-- Tables of read models, one a projection and version, made by the platform: rm.<name>_v<version>[_r<generation>].
CREATE SCHEMA rm;
-- What may be read: one view a projection, always on its one complete table.
CREATE SCHEMA read;
CREATE SCHEMA pm;

-- The epoch is raised by each runner that takes over; writes of an earlier one find nothing to update. The advisory lock
-- keeps two runners from working side by side, the epoch keeps one that does not know it lost the lock from doing harm.
CREATE TABLE processing.leader (
  role text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch > 0),
  since timestamptz NOT NULL DEFAULT now()
);

-- `position` moves in the same transaction as the table's rows: together they are exactly the fold of the log up to it.
CREATE TABLE processing.projections (
  table_name text COLLATE "C" PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  columns text NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'active')),
  position bigint NOT NULL CHECK (position >= 0),
  epoch bigint NOT NULL
) WITH (fillfactor = 50);
-- Readers see one table a projection.
CREATE UNIQUE INDEX projections_one_active ON processing.projections (name) WHERE state = 'active';
CREATE SEQUENCE processing.generation;

CREATE TABLE processing.checkpoints (
  name text COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL CHECK (position >= 0),
  epoch bigint NOT NULL
) WITH (fillfactor = 50);

-- What stands still and why; shown until it moves again.
CREATE TABLE processing.faults (
  lane text COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL,
  error text NOT NULL,
  attempts integer NOT NULL,
  since_ms bigint NOT NULL
);

-- Index of armed timers by due time. The streams of the process managers are the truth; `set_at` is the stream version
-- that armed the timer, so an entry that was overtaken is recognised when it comes due.
CREATE TABLE pm.timers (
  manager text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  due_ms bigint NOT NULL,
  set_at bigint NOT NULL,
  PRIMARY KEY (manager, instance, name)
);
CREATE INDEX timers_due ON pm.timers (due_ms);
