-- The event log. Three invariants live here and nowhere else:
--   1. positions are 1, 2, 3, … without gaps, in commit order (one locked head row gives them out);
--   2. what is written stays as it is (triggers refuse update, delete and truncate);
--   3. each event's chain hash covers everything before it, over the stored bytes.
CREATE SCHEMA es;

-- One row. Whoever appends locks it until commit, so that readers never see position n + 1 before n.
CREATE TABLE es.log_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  position bigint NOT NULL,
  recorded_ms bigint NOT NULL,
  chain_hash bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO es.log_head VALUES (true, 0, 0, sha256('drover event log'));

CREATE TABLE es.streams (
  stream text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 80);

-- `envelope` is the canonical JSON of {id, stream, version, type, schemaVersion, account, data, meta}. It is text and not
-- jsonb because the hash is over these very bytes. The columns beside it are derived from it; the verifier compares them.
CREATE TABLE es.events (
  position bigint PRIMARY KEY,
  stream text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  id uuid NOT NULL,
  category text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  schema_version integer NOT NULL,
  recorded_ms bigint NOT NULL,
  envelope text COLLATE "C" NOT NULL,
  content_hash bytea NOT NULL,
  chain_hash bytea NOT NULL,
  CONSTRAINT events_stream_version UNIQUE (stream, version),
  CONSTRAINT events_id UNIQUE (id)
);
-- Envelopes are read whole and often; compressing those that fit a page would cost more than it saves.
ALTER TABLE es.events ALTER COLUMN envelope SET STORAGE EXTERNAL;

CREATE FUNCTION es.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event log is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON es.events
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON es.streams
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();
CREATE TRIGGER stays BEFORE INSERT OR DELETE OR TRUNCATE ON es.log_head
  FOR EACH STATEMENT EXECUTE FUNCTION es.refuse_change();

-- ISO 8601 in UTC with milliseconds: the form in which the time of recording enters the chain.
CREATE FUNCTION es.iso_time(ms bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(to_timestamp(ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '.' || lpad((ms % 1000)::text, 3, '0') || 'Z'
$$;

-- Appends to many streams at once, each with a verdict of its own: a conflict or duplicate of one does not touch the others.
--
--   a_*  one element per append: stream, expected version (n ≥ 0 exactly; -1 the stream exists; -2 anything), number of events
--   e_*  one element per event, in order of the appends; e_append is the index (from 1) of its append. e_envelope is the
--        canonical JSON up to and including `"version":`, its last key; the version is known only here.
--
-- Answers one row per append: `appended`, `duplicate` (all ids are in this stream already: an earlier try won),
-- `conflict` (version is the actual one), or `id_reused` (an id is in the log, but this is no retry).
-- Duplicates are looked for before the expectation is judged, or a retried append would be told of a conflict with itself.
-- The expectation is judged before a position is taken, so that losers leave no gap.
CREATE FUNCTION es.append(
  now_ms bigint,
  a_stream text[], a_expected bigint[], a_count integer[],
  e_append integer[], e_id uuid[], e_type text[], e_account text[], e_schema integer[], e_envelope text[]
) RETURNS TABLE (verdict text, version bigint, pos bigint) LANGUAGE plpgsql AS $$
DECLARE
  appends CONSTANT integer := cardinality(a_stream);
  events CONSTANT integer := cardinality(e_id);
  head es.log_head%ROWTYPE;
  actual bigint[];
  known_here integer[] := array_fill(0, ARRAY[appends]);
  known_any integer[] := array_fill(0, ARRAY[appends]);
  known_version bigint[] := array_fill(0::bigint, ARRAY[appends]);
  known_pos bigint[] := array_fill(0::bigint, ARRAY[appends]);
  -- Preallocated: appending to an array one by one is quadratic.
  verdicts text[] := array_fill(NULL::text, ARRAY[appends]);
  next_version bigint[];
  o_pos bigint[] := array_fill(NULL::bigint, ARRAY[events]);
  o_version bigint[] := array_fill(NULL::bigint, ARRAY[events]);
  o_envelope text[] := array_fill(NULL::text, ARRAY[events]);
  o_content bytea[] := array_fill(NULL::bytea, ARRAY[events]);
  o_chain bytea[] := array_fill(NULL::bytea, ARRAY[events]);
  known record;
  a integer;
  stamp bytea;
  accepted boolean := false;
BEGIN
  IF NOT (appends > 0 AND events > 0) THEN
    RAISE EXCEPTION 'an append needs at least one event' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT * INTO STRICT head FROM es.log_head FOR UPDATE;
  head.recorded_ms := greatest(head.recorded_ms, now_ms);

  SELECT array_agg(coalesce(s.version, 0) ORDER BY i.n) INTO actual
    FROM unnest(a_stream) WITH ORDINALITY AS i(stream, n) LEFT JOIN es.streams s ON s.stream = i.stream;
  FOR known IN
    SELECT i.append, count(*) FILTER (WHERE ev.stream = a_stream[i.append]) AS here, count(*) AS any_stream,
           max(ev.version) AS version, max(ev.position) AS pos
      FROM unnest(e_id, e_append) AS i(id, append) JOIN es.events ev ON ev.id = i.id GROUP BY i.append
  LOOP
    known_here[known.append] := known.here;
    known_any[known.append] := known.any_stream;
    known_version[known.append] := known.version;
    known_pos[known.append] := known.pos;
  END LOOP;

  FOR a IN 1..appends LOOP
    IF known_here[a] = a_count[a] THEN
      verdicts[a] := 'duplicate';
    ELSIF NOT (a_expected[a] = -2 OR a_expected[a] = actual[a] OR (a_expected[a] = -1 AND actual[a] > 0)) THEN
      verdicts[a] := 'conflict';
    ELSIF known_any[a] > 0 THEN
      verdicts[a] := 'id_reused';
    ELSE
      verdicts[a] := 'appended';
      accepted := true;
    END IF;
  END LOOP;

  IF accepted THEN
    next_version := actual;
    stamp := convert_to(es.iso_time(head.recorded_ms), 'UTF8');
    FOR e IN 1..events LOOP
      a := e_append[e];
      IF verdicts[a] = 'appended' THEN
        head.position := head.position + 1;
        next_version[a] := next_version[a] + 1;
        known_pos[a] := head.position;
        o_pos[e] := head.position;
        o_version[e] := next_version[a];
        o_envelope[e] := e_envelope[e] || next_version[a] || '}';
        o_content[e] := sha256(convert_to(o_envelope[e], 'UTF8'));
        head.chain_hash := sha256(head.chain_hash || int8send(head.position) || stamp || o_content[e]);
        o_chain[e] := head.chain_hash;
      END IF;
    END LOOP;
    INSERT INTO es.events
      SELECT i.p, a_stream[i.append], i.v, i.id, split_part(a_stream[i.append], '-', 1), i.type, i.account, i.schema_version,
             head.recorded_ms, i.envelope, i.content, i.chain
        FROM unnest(o_pos, e_append, o_version, e_id, e_type, e_account, e_schema, o_envelope, o_content, o_chain)
          AS i(p, append, v, id, type, account, schema_version, envelope, content, chain)
       WHERE i.p IS NOT NULL;
    INSERT INTO es.streams AS s
      SELECT i.stream, i.v FROM unnest(a_stream, next_version, verdicts) AS i(stream, v, verdict) WHERE i.verdict = 'appended'
      ON CONFLICT (stream) DO UPDATE SET version = excluded.version;
    UPDATE es.log_head SET position = head.position, recorded_ms = head.recorded_ms, chain_hash = head.chain_hash;
    -- One notification per batch: notifying commits take a lock that all of them share.
    PERFORM pg_notify('es_appended', head.position::text);
  END IF;

  FOR a IN 1..appends LOOP
    verdict := verdicts[a];
    version := CASE verdict WHEN 'appended' THEN next_version[a] WHEN 'duplicate' THEN known_version[a] ELSE actual[a] END;
    pos := known_pos[a];
    RETURN NEXT;
  END LOOP;
END $$;
