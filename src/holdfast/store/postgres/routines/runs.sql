-- Starting runs, and what people do to them.

-- Insert runs that do not exist yet; cancel those whose parent is past wanting them; fill groups up to their limits.
-- Answers, unless all are new, for each in order: the run of that id or key, and whether it is new. `_orphaned` is the packed failure
-- with the reason `its parent has ended`, `_fallen` the one with `its parent cancelled`. `_started_by` counts for runs without a
-- parent only; NULL: nobody.
CREATE FUNCTION routines.insert_runs(
    _ids text[], _agents text[], _versions text[], _keys text[], _priorities bigint[], _ats bigint[], _timeouts bigint[],
    _roots text[], _digests bytea[], _inputs bytea[],
    _parents text[], _parent_keys text[], _detached boolean[], _maps bigint[], _ords bigint[], _branches bigint[],
    _held boolean[], _tag_runs text[], _tags text[], _orphaned bytea, _fallen bytea, _started_by text[]
) RETURNS TABLE (rid bigint, id text, fresh boolean, digest bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    _missing text := (SELECT min(p) FROM (SELECT DISTINCT unnest(_parents)) AS wanted (p)
                      WHERE p IS NOT NULL AND NOT EXISTS (SELECT FROM holdfast.runs AS r WHERE r.id = p));
    _fresh bigint[];
    _group record;
    _late record;
BEGIN
    IF _missing IS NOT NULL THEN
        RAISE EXCEPTION 'no run has the id %, so it cannot be a parent', _missing USING ERRCODE = 'HF002';
    END IF;
    WITH fresh AS (
        INSERT INTO holdfast.runs (id, agent, version, key, started_as, status, priority, ready_at, root,
                                   parent, parent_key, parent_generation, detached, map, ord, branch, held,
                                   created_at, deadline_at, digest, input, started_by)
        SELECT c.id, c.agent, c.version, c.key, c.agent, 'queued', c.priority, c.at, c.root,
               p.rid, c.parent_key, p.generation, c.detached, c.map, c.ord, c.branch, c.held,
               c.at, c.at + c.timeout, c.digest, c.input,
               CASE WHEN p.rid IS NULL THEN coalesce(c.started_by, '') ELSE '' END
        FROM unnest(_ids, _agents, _versions, _keys, _priorities, _ats, _timeouts, _roots, _digests, _inputs,
                    _parents, _parent_keys, _detached, _maps, _ords, _branches, _held, _started_by)
             WITH ORDINALITY AS c (id, agent, version, key, priority, at, timeout, root, digest, input,
                                   parent_id, parent_key, detached, map, ord, branch, held, started_by, n)
        LEFT JOIN holdfast.runs AS p ON p.id = c.parent_id
        ORDER BY c.n
        ON CONFLICT DO NOTHING
        RETURNING rid
    )
    SELECT coalesce(array_agg(fresh.rid), '{}') INTO _fresh FROM fresh;
    INSERT INTO holdfast.tags (rid, tag)
    SELECT r.rid, t.tag FROM unnest(_tag_runs, _tags) AS t (id, tag) JOIN holdfast.runs AS r ON r.id = t.id
    WHERE r.rid = ANY (_fresh)
    ON CONFLICT DO NOTHING;
    IF cardinality(array_remove(_maps, NULL)) > 0 THEN
        FOR _group IN
            SELECT r.parent, r.map, count(*) FILTER (WHERE NOT r.held) AS released, min(r.created_at) AS at
            FROM holdfast.runs AS r
            WHERE r.rid = ANY (_fresh) AND r.map IS NOT NULL AND r.parent IS NOT NULL AND NOT r.detached
            GROUP BY r.parent, r.map
        LOOP
            UPDATE holdfast.groups AS g SET active = g.active + _group.released
            WHERE g.rid = _group.parent AND g.map = _group.map;
            PERFORM routines.release_children(_group.parent, _group.map, _group.at);
        END LOOP;
    END IF;
    IF cardinality(array_remove(_parents, NULL)) > 0 THEN
        FOR _late IN
            SELECT r.rid, r.created_at AS at,
                   coalesce(nullif(p.cancel_reason, ''), 'its parent has ended') AS reason,
                   CASE WHEN p.cancel_reason <> '' THEN p.cancel_error ELSE _orphaned END AS error
            FROM holdfast.runs AS r JOIN holdfast.runs AS p ON p.rid = r.parent
            WHERE r.rid = ANY (_fresh) AND NOT r.detached AND (p.cancel_at IS NOT NULL OR p.ended_at IS NOT NULL)
            ORDER BY r.rid
        LOOP
            PERFORM routines.mark_cancel(_late.rid, _late.reason, _late.error, _late.at);
            PERFORM routines.end_run(_late.rid, 'cancelled', _late.error, _late.at, NULL, _fallen);
        END LOOP;
    END IF;
    IF cardinality(_fresh) < cardinality(_ids) THEN
        RETURN QUERY
            SELECT coalesce(a.rid, b.rid), coalesce(a.id, b.id)::text, coalesce(a.rid, b.rid) = ANY (_fresh),
                   coalesce(a.digest, b.digest)
            FROM unnest(_ids, _agents, _keys) WITH ORDINALITY AS c (id, agent, key, n)
            LEFT JOIN holdfast.runs AS a ON a.id = c.id
            LEFT JOIN holdfast.runs AS b ON a.rid IS NULL AND b.started_as = c.agent AND b.key = c.key
            ORDER BY c.n;
    END IF;
END $$;

-- Start runs.
CREATE FUNCTION routines.start(
    _ids text[], _agents text[], _versions text[], _keys text[], _priorities bigint[], _ats bigint[], _timeouts bigint[],
    _roots text[], _digests bytea[], _inputs bytea[],
    _parents text[], _parent_keys text[], _detached boolean[], _maps bigint[], _ords bigint[], _branches bigint[],
    _held boolean[], _tag_runs text[], _tags text[], _orphaned bytea, _fallen bytea, _started_by text[]
) RETURNS TABLE (id text, fresh boolean, digest bytea) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    IF cardinality(array_remove(_parents, NULL)) > 0 THEN
        PERFORM FROM holdfast.runs AS r WHERE r.id = ANY (_parents) ORDER BY r.rid FOR UPDATE;
    END IF;
    RETURN QUERY
        SELECT s.id, s.fresh, s.digest
        FROM routines.insert_runs(_ids, _agents, _versions, _keys, _priorities, _ats, _timeouts, _roots, _digests, _inputs,
                                  _parents, _parent_keys, _detached, _maps, _ords, _branches, _held, _tag_runs, _tags,
                                  _orphaned, _fallen, _started_by) AS s;
END $$;

-- Put a stopped run back to the queue, or take back the request to pause it.
CREATE FUNCTION routines.resume(_id text) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.runs AS r
    SET status = CASE r.status WHEN 'running' THEN r.status ELSE 'queued' END,
        ready_at = CASE r.status WHEN 'running' THEN r.ready_at ELSE routines.now_us() END,
        lost = CASE r.status WHEN 'running' THEN r.lost ELSE 0 END,
        error = NULL, pause_at = NULL
    WHERE r.id = _id AND (r.status IN ('blocked', 'paused') OR r.pause_at IS NOT NULL);
    RETURN FOUND;
END $$;

-- Stop a run, or ask its owner to.
CREATE FUNCTION routines.pause(_id text, _why bytea, _at bigint) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _run record;
BEGIN
    PERFORM routines.be_durable();
    SELECT rid, status, cancel_at, pause_at INTO _run FROM holdfast.runs WHERE id = _id FOR UPDATE;
    IF NOT FOUND OR _run.status NOT IN ('queued', 'running', 'waiting')
       OR _run.cancel_at IS NOT NULL OR _run.pause_at IS NOT NULL THEN
        RETURN false;
    ELSIF _run.status <> 'running' THEN
        UPDATE holdfast.runs SET status = 'paused', wake_at = NULL, pause_at = NULL, error = _why WHERE rid = _run.rid;
        RETURN true;
    END IF;
    UPDATE holdfast.runs SET pause_at = _at, error = _why WHERE rid = _run.rid;
    RETURN routines.tell(_run.rid, NULL, 7, 'pause', false, ''::bytea, _at);
END $$;

-- Add and remove tags. False if there is no such run.
CREATE FUNCTION routines.tag(_id text, _add text[], _remove text[]) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _rid bigint := (SELECT rid FROM holdfast.runs WHERE id = _id);
BEGIN
    PERFORM routines.be_durable();
    DELETE FROM holdfast.tags WHERE rid = _rid AND tag = ANY (_remove);
    INSERT INTO holdfast.tags (rid, tag) SELECT _rid, t FROM unnest(_add) AS t WHERE _rid IS NOT NULL
    ON CONFLICT DO NOTHING;
    RETURN _rid IS NOT NULL;
END $$;

-- Resolve a promise once, while its run lives. NULL if there is no such run. `_again`: this was sent before, and nobody
-- knows whether it arrived: what it left is its own.
CREATE FUNCTION routines.resolve(
    _id text, _run text, _name text, _ok boolean, _value bytea, _at bigint, _again boolean
) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _rid bigint;
    _ended boolean;
    _promise record;
BEGIN
    PERFORM routines.be_durable();
    SELECT rid, ended_at IS NOT NULL INTO _rid, _ended FROM holdfast.runs WHERE id = _run FOR UPDATE;
    IF _rid IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT ok, key, value, at INTO _promise FROM holdfast.promises WHERE id = _id;
    IF _promise.ok IS NOT NULL THEN
        RETURN _again AND (_promise.ok, _promise.value, _promise.at) = (_ok, _value, _at);
    ELSIF _ended THEN
        RETURN false;
    END IF;
    INSERT INTO holdfast.promises (id, rid, key, ok, value, at)
    VALUES (_id, _rid, coalesce(_promise.key, _name), _ok, _value, _at)
    ON CONFLICT (id) DO UPDATE SET ok = excluded.ok, value = excluded.value, at = excluded.at;
    RETURN routines.tell(_rid, NULL, 4, coalesce(_promise.key, _name), _ok, _value, _at);
END $$;
