-- What webhooks have delivered. Which webhooks there are stands in the log; here is only how far each has come, so that a
-- platform that was killed goes on where it was. Invariant: everything up to `position` was delivered, filtered out or is a
-- dead letter; `position` moves in the same statement that buries a letter. `epoch` is that of the process that delivers:
-- one that lost the lead without knowing finds nothing to update.
CREATE SCHEMA consumers;

CREATE TABLE consumers.webhooks (
  webhook_id text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  -- Failed attempts at the event after `position`.
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_ms bigint NOT NULL DEFAULT 0,
  last_error text,
  delivered bigint NOT NULL DEFAULT 0,
  last_delivered_ms bigint,
  last_failed_ms bigint
) WITH (fillfactor = 50);

-- Events that were given up. The event itself stays in the log, at `position`.
CREATE TABLE consumers.dead_letters (
  webhook_id text COLLATE "C" NOT NULL REFERENCES consumers.webhooks ON DELETE CASCADE,
  event_id uuid NOT NULL,
  position bigint NOT NULL,
  kind text NOT NULL,
  attempts integer NOT NULL,
  error text NOT NULL,
  dead_ms bigint NOT NULL,
  -- Of the newest request to deliver it again, and whether that is still to be done. Requests are read from the log again
  -- after a restart: one that is not newer changes nothing.
  requested_at bigint NOT NULL DEFAULT 0,
  requested boolean NOT NULL DEFAULT false,
  PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX dead_letters_order ON consumers.dead_letters (webhook_id, position);
