-- News: how runs are told of what others did, how groups count, and how runs end. Whoever calls these holds the locks of
-- the runs' rows: see `lock_runs`.

-- Lock runs in the order of their ids: these, and of those that end or stop wanting their children, also the parents and
-- the live children.
CREATE FUNCTION routines.lock_runs(_own bigint[], _ending bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(_ending) = 0 THEN
        PERFORM FROM holdfast.runs WHERE rid = ANY (_own) ORDER BY rid FOR UPDATE;
    ELSE
        PERFORM FROM holdfast.runs
        WHERE rid = ANY (ARRAY(
            SELECT unnest(_own)
            UNION SELECT r.parent FROM holdfast.runs AS r WHERE r.rid = ANY (_ending) AND r.parent IS NOT NULL
            UNION SELECT c.rid FROM holdfast.runs AS c
                  WHERE c.parent = ANY (_ending) AND NOT c.detached AND c.ended_at IS NULL))
        ORDER BY rid FOR UPDATE;
    END IF;
END $$;

-- Raise a live run's wakes, of whatever generation if none is given; a waiting run becomes ready. NULL if it has ended.
CREATE FUNCTION routines.wake(_rid bigint, _generation bigint, _at bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    _wake bigint;
BEGIN
    UPDATE holdfast.runs AS r
    SET wakes = r.wakes + 1,
        ready_at = CASE r.status WHEN 'waiting' THEN _at ELSE r.ready_at END,
        wake_at = CASE r.status WHEN 'waiting' THEN NULL ELSE r.wake_at END,
        status = CASE r.status WHEN 'waiting' THEN 'queued' ELSE r.status END
    WHERE r.rid = _rid AND r.ended_at IS NULL AND (_generation IS NULL OR r.generation = _generation)
    RETURNING r.wakes INTO _wake;
    RETURN _wake;
END $$;

-- File news for a run. False if it has ended, or is of another generation.
CREATE FUNCTION routines.tell(
    _rid bigint, _generation bigint, _op int, _key text, _ok boolean, _value bytea, _at bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _wake bigint := routines.wake(_rid, _generation, _at);
BEGIN
    IF _wake IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO holdfast.inbox (rid, wake, op, key, ok, value) VALUES (_rid, _wake, _op, _key, _ok, _value);
    RETURN true;
END $$;

-- End a run: see `end_runs`.
CREATE FUNCTION routines.end_run(
    _rid bigint, _status text, _value bytea, _at bigint, _because bigint, _fallen bytea
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM routines.end_runs(ARRAY[_rid], ARRAY[_status], ARRAY[_value], ARRAY[_at], ARRAY[_because], ARRAY[_fallen]);
END $$;

-- End runs: tell their parents, in this order; drop their news, withdraw what they ask, and cancel the children that depend on
-- them. `_fallen` is the packed failure of those, whose reason is `its parent <status>`.
CREATE FUNCTION routines.end_runs(
    _rids bigint[], _statuses text[], _values bytea[], _ats bigint[], _because bigint[], _fallen bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _left record;
    _places routines.place[];
BEGIN
    WITH ended AS (
        UPDATE holdfast.runs AS r
        SET status = e.status, result = CASE WHEN e.status = 'succeeded' THEN e.value END,
            error = CASE WHEN e.status = 'succeeded' THEN NULL ELSE e.value END,
            ended_at = e.at, ended_by = e.because, worker = NULL, wake_at = NULL, pause_at = NULL, held = false,
            entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = e.rid)
        FROM unnest(_rids, _statuses, _values, _ats, _because) WITH ORDINALITY AS e (rid, status, value, at, because, n)
        JOIN holdfast.runs AS old ON old.rid = e.rid
        WHERE r.rid = e.rid
        RETURNING e.n, r.parent, r.parent_key, r.parent_generation, r.map, r.ord, r.branch, old.held
    )
    SELECT array_agg(ROW(n, parent, parent_key, parent_generation, map, ord, branch, held)::routines.place ORDER BY n)
    INTO _places FROM ended WHERE parent IS NOT NULL;
    DELETE FROM holdfast.inbox WHERE rid = ANY (_rids);
    -- Here and below by `rid = ANY`, and by nothing else that has an index: a join, or the state, may be planned as a look at
    -- every run or every pending approval that there is.
    FOR _left IN
        SELECT e.rid, e.at FROM unnest(_rids, _ats) AS e (rid, at)
        WHERE e.rid = ANY (ARRAY(SELECT a.rid FROM holdfast.approvals AS a
                                 WHERE a.rid = ANY (_rids) AND coalesce(a.state, '') = 'pending'))
    LOOP
        PERFORM routines.withdraw_all(ARRAY[_left.rid], _left.at);
    END LOOP;
    IF _places IS NOT NULL THEN
        PERFORM routines.tell_parents(_places, _statuses, _values, _ats);
    END IF;
    FOR _left IN
        SELECT e.rid, e.status, e.at, e.fallen FROM unnest(_rids, _statuses, _ats, _fallen) AS e (rid, status, at, fallen)
        WHERE e.rid = ANY (ARRAY(SELECT c.parent FROM holdfast.runs AS c
                                 WHERE c.parent = ANY (_rids) AND NOT c.detached AND c.ended_at IS NULL))
    LOOP
        PERFORM routines.cancel_children(ARRAY[_left.rid], NULL, 'its parent ' || _left.status, _left.fallen, _left.at);
    END LOOP;
END $$;

-- Tell parents how children have ended: of a map one by one, for each may be what its group waits for.
CREATE FUNCTION routines.tell_parents(
    _places routines.place[], _statuses text[], _values bytea[], _ats bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _place routines.place;
BEGIN
    FOREACH _place IN ARRAY _places LOOP
        IF _place.map IS NOT NULL THEN
            PERFORM routines.tell_parent(
                _place.parent, _place.key, _place.generation, _place.map, _place.ord, _place.branch, _place.held,
                _statuses[_place.n] = 'succeeded', _values[_place.n], _ats[_place.n]);
        END IF;
    END LOOP;
    WITH awaited AS (
        SELECT p.n, p.parent, p.key, p.generation, count(*) OVER whole AS size, row_number() OVER whole AS nth
        FROM unnest(_places) AS p WHERE p.map IS NULL
        WINDOW whole AS (PARTITION BY p.parent, p.generation ORDER BY p.n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ), told AS (
        UPDATE holdfast.runs AS r
        SET wakes = r.wakes + a.size,
            ready_at = CASE r.status WHEN 'waiting' THEN _ats[a.n] ELSE r.ready_at END,
            wake_at = CASE r.status WHEN 'waiting' THEN NULL ELSE r.wake_at END,
            status = CASE r.status WHEN 'waiting' THEN 'queued' ELSE r.status END
        FROM awaited AS a
        WHERE a.nth = 1 AND r.rid = a.parent AND r.generation = a.generation AND r.ended_at IS NULL
        RETURNING r.rid, r.generation, r.wakes
    )
    INSERT INTO holdfast.inbox (rid, wake, op, key, ok, value)
    SELECT t.rid, t.wakes - a.size + a.nth, 3, a.key, _statuses[a.n] = 'succeeded', _values[a.n]
    FROM awaited AS a JOIN told AS t ON t.rid = a.parent AND t.generation = a.generation;
END $$;

-- Tell the parent at a child's place how the child ended.
CREATE FUNCTION routines.tell_parent(
    _parent bigint, _key text, _generation bigint, _map bigint, _ord bigint, _branch bigint, _held boolean,
    _ok boolean, _value bytea, _at bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _group record;
BEGIN
    IF _map IS NOT NULL THEN
        UPDATE holdfast.groups AS g
        SET done = g.done + 1, active = g.active - CASE WHEN _held THEN 0 ELSE 1 END
        WHERE g.rid = _parent AND g.map = _map
          AND (SELECT p.generation FROM holdfast.runs AS p WHERE p.rid = _parent) = _generation
        RETURNING g.key, g.total, g.every, g.first_failure, g.done INTO _group;
        IF FOUND THEN
            INSERT INTO holdfast.endings (rid, map, ord, branch, ok) VALUES (_parent, _map, _ord, _branch, _ok);
            PERFORM routines.release_children(_parent, _map, _at);
            IF _group.done = _group.total OR (_group.first_failure AND NOT _ok)
               OR (_group.every AND routines.hears(_parent, _generation, _group.total, _group.done, _at)) THEN
                PERFORM routines.tell(_parent, _generation, 6, _group.key, _ok, ''::bytea, _at);
            END IF;
            RETURN;
        END IF;
    END IF;
    PERFORM routines.tell(_parent, _generation, 3, _key, _ok, _value, _at);
END $$;

-- Whether a parent that streams is told of an end now. In memory it is. Suspended, it would be replayed for each of ten
-- thousand children: it is woken for every sixteenth of them, or else after 10 ms for each, of which about a thousandth
-- goes into replaying it. When it is claimed it reads all that have ended.
CREATE FUNCTION routines.hears(
    _parent bigint, _generation bigint, _total bigint, _done bigint, _at bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _status text := (SELECT status FROM holdfast.runs WHERE rid = _parent AND generation = _generation);
    _size bigint := coalesce(_total, _done);
BEGIN
    IF _status = 'queued' THEN
        RETURN false;
    ELSIF _status IS DISTINCT FROM 'waiting' OR _done % greatest(1, _size / 16) = 0 THEN
        RETURN true;
    END IF;
    UPDATE holdfast.runs SET wake_at = least(wake_at, _at + _size * 10000) WHERE rid = _parent AND status = 'waiting';
    RETURN false;
END $$;

-- Insert a group or change its terms; what the store counts stays. Recorded items count: a run that went back, or a fork,
-- has some when it makes its groups again. A total that its children have already reached is news.
CREATE FUNCTION routines.put_group(
    _rid bigint, _map bigint, _key text, _total bigint, _lim bigint, _every boolean, _first_failure boolean, _at bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _known bigint := (SELECT total FROM holdfast.groups WHERE rid = _rid AND map = _map);
    _done bigint;
BEGIN
    INSERT INTO holdfast.groups AS g (rid, map, key, total, lim, every, first_failure, done)
    VALUES (_rid, _map, _key, _total, _lim, _every, _first_failure,
            (SELECT count(*) FROM holdfast.items AS i WHERE i.rid = _rid AND i.map = _map))
    ON CONFLICT (rid, map) DO UPDATE SET key = excluded.key, total = excluded.total, lim = excluded.lim,
                                         every = excluded.every, first_failure = excluded.first_failure
    RETURNING g.done INTO _done;
    PERFORM routines.release_children(_rid, _map, _at);
    IF _total IS DISTINCT FROM _known AND _done >= _total THEN
        PERFORM routines.tell(_rid, NULL, 6, _key, true, ''::bytea, _at);
    END IF;
END $$;

-- Release held children as far as the group's limit allows. Held rows are locked by whoever holds their parent's, and by
-- those who lock nothing else: so there is no ring.
CREATE FUNCTION routines.release_children(_parent bigint, _map bigint, _at bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _slots bigint := (SELECT lim - active FROM holdfast.groups WHERE rid = _parent AND map = _map);
    _released bigint;
BEGIN
    IF _slots IS NULL OR _slots <= 0 THEN
        RETURN;
    END IF;
    UPDATE holdfast.runs SET held = false, ready_at = _at
    WHERE rid = ANY (ARRAY(SELECT h.rid FROM holdfast.runs AS h WHERE h.parent = _parent AND h.map = _map AND h.held
                           ORDER BY h.ord LIMIT _slots FOR UPDATE));
    GET DIAGNOSTICS _released = ROW_COUNT;
    IF _released > 0 THEN
        UPDATE holdfast.groups SET active = active + _released WHERE rid = _parent AND map = _map;
    END IF;
END $$;

-- Cancel the children of runs that have ended, or those of one map, set-wise: there may be ten thousand. Those without a
-- body that could clean up (never claimed, or blocked) end at once, and so do theirs; the others are told.
CREATE FUNCTION routines.cancel_children(
    _parents bigint[], _map bigint, _reason text, _error bytea, _at bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _idle bigint[];
BEGIN
    LOOP
        WITH ended AS (
            UPDATE holdfast.runs AS r
            SET status = 'cancelled', error = _error, ended_at = _at, held = false,
                cancel_reason = CASE WHEN r.cancel_at IS NULL THEN _reason ELSE r.cancel_reason END,
                cancel_error = CASE WHEN r.cancel_at IS NULL THEN _error ELSE r.cancel_error END,
                cancel_at = coalesce(r.cancel_at, _at)
            WHERE r.parent = ANY (_parents) AND NOT r.detached AND (_map IS NULL OR r.map = _map)
              AND ((r.status IN ('queued', 'paused') AND r.started_at IS NULL) OR r.status = 'blocked')
            RETURNING r.rid
        )
        SELECT array_agg(ended.rid) INTO _idle FROM ended;
        WITH told AS (
            UPDATE holdfast.runs AS r
            SET cancel_at = _at, cancel_reason = _reason, cancel_error = _error, wakes = r.wakes + 1,
                ready_at = CASE WHEN r.status IN ('waiting', 'paused') THEN _at ELSE r.ready_at END,
                wake_at = CASE r.status WHEN 'waiting' THEN NULL ELSE r.wake_at END,
                error = CASE r.status WHEN 'paused' THEN NULL ELSE r.error END,
                status = CASE WHEN r.status IN ('waiting', 'paused') THEN 'queued' ELSE r.status END
            WHERE r.parent = ANY (_parents) AND NOT r.detached AND (_map IS NULL OR r.map = _map)
              AND r.ended_at IS NULL AND r.cancel_at IS NULL
            RETURNING r.rid, r.wakes
        )
        INSERT INTO holdfast.inbox (rid, wake, op, key, ok, value)
        SELECT told.rid, told.wakes, 7, 'cancel', false, _error FROM told;
        EXIT WHEN _idle IS NULL;
        DELETE FROM holdfast.inbox WHERE rid = ANY (_idle);
        PERFORM routines.withdraw_all(_idle, _at);
        _parents := _idle;
        _map := NULL;
    END LOOP;
END $$;

-- Remember that a cancel was asked for; an earlier one stays.
CREATE FUNCTION routines.mark_cancel(_rid bigint, _reason text, _error bytea, _at bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE holdfast.runs AS r
    SET cancel_reason = CASE WHEN r.cancel_at IS NULL THEN _reason ELSE r.cancel_reason END,
        cancel_error = CASE WHEN r.cancel_at IS NULL THEN _error ELSE r.cancel_error END,
        cancel_at = coalesce(r.cancel_at, _at)
    WHERE r.rid = _rid;
END $$;

-- Ask a run, whose row is locked with its family's, to cancel; or end it when it has no body that could clean up.
CREATE FUNCTION routines.cancel_locked(_rid bigint, _reason text, _error bytea, _fallen bytea, _at bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    _run record;
    _bodiless boolean;
BEGIN
    SELECT status, started_at, ended_at, cancel_at INTO _run FROM holdfast.runs WHERE rid = _rid;
    _bodiless := _run.status = 'blocked' OR (_run.status IN ('queued', 'paused') AND _run.started_at IS NULL);
    IF _run.ended_at IS NOT NULL OR (_run.cancel_at IS NOT NULL AND NOT _bodiless) THEN
        RETURN false;
    END IF;
    PERFORM routines.mark_cancel(_rid, _reason, _error, _at);
    IF _bodiless THEN
        PERFORM routines.end_run(_rid, 'cancelled', _error, _at, NULL, _fallen);
        RETURN true;
    END IF;
    UPDATE holdfast.runs SET status = 'queued', ready_at = _at, error = NULL WHERE rid = _rid AND status = 'paused';
    RETURN routines.tell(_rid, NULL, 7, 'cancel', false, _error, _at);
END $$;

-- Ask a run to cancel.
CREATE FUNCTION routines.cancel(_id text, _reason text, _error bytea, _fallen bytea, _at bigint) RETURNS boolean
LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _rid bigint := (SELECT rid FROM holdfast.runs WHERE id = _id);
BEGIN
    IF _rid IS NULL THEN
        RETURN false;
    END IF;
    PERFORM routines.be_durable();
    PERFORM routines.lock_runs(ARRAY[_rid], ARRAY[_rid]);
    RETURN routines.cancel_locked(_rid, _reason, _error, _fallen, _at);
END $$;
