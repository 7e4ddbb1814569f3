-- Which platform process leads, and that it still does: a stopped process or a lost network keeps its session, and with it
-- the advisory lock, for hours. Whoever waits ends the session of a leader that has not been heard of for the length of a lease.
-- `backend_pid` says which session that is: a lock taken since then by somebody else must not be judged by an old beat.
CREATE TABLE processing.lease (
  role text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  backend_pid integer NOT NULL,
  beat timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What all processes on this database must have in common, as digests: the key that opens the secrets and the CA that agents pin.
CREATE TABLE processing.identity (
  name text COLLATE "C" PRIMARY KEY,
  fingerprint text NOT NULL
);
