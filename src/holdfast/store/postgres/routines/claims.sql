-- Runs as work: who may be claimed, and by whom. And the leases of those who claim.

-- Whether a worker's lease has not expired.
CREATE FUNCTION routines.is_live(_worker text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (SELECT FROM holdfast.workers WHERE id = _worker AND expires_at > routines.now_us())
$$;

-- Workers without a lease: expired, or gone while runs still name them as their owners. Owners are enumerated by skipping
-- through the index, not by reading all of it.
CREATE FUNCTION routines.the_dead() RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    _now bigint := routines.now_us();
BEGIN
    RETURN QUERY
    WITH RECURSIVE owners (worker) AS (
        SELECT min(r.worker) FROM holdfast.runs AS r WHERE r.status = 'running'
        UNION ALL
        SELECT (SELECT min(r.worker) FROM holdfast.runs AS r WHERE r.status = 'running' AND r.worker > owners.worker)
        FROM owners WHERE owners.worker IS NOT NULL
    )
    SELECT w.id::text FROM holdfast.workers AS w WHERE w.expires_at <= _now
    UNION
    SELECT owners.worker::text FROM owners
    WHERE owners.worker IS NOT NULL
      AND NOT EXISTS (SELECT FROM holdfast.workers AS w WHERE w.id = owners.worker AND w.expires_at > _now);
END $$;

-- Take up to so many runs of the hosted versions, those first whose turn it is. `deaths` instead, if there are dead workers
-- whose runs are to be taken over first. The claim's number is moved by compare-and-set: one whose answer was lost, and that
-- was given up since, takes nothing when it comes late. `_q_…` are the quotas of agents (a limit of NULL, starts of 0: none).
-- Of each run, since when it was ready; the traces of the activation before (a few back, for one that was lost before it wrote
-- anything has none) and of its parent; whether it has maps; and the run itself, if nobody has had it in memory or told it
-- anything, so that it has no history.
CREATE FUNCTION routines.claim(
    _worker text, _claim bigint, _agents text[], _versions text[], _builds text[], _limit int, _now bigint,
    _schema text, _q_agents text[], _q_limits bigint[], _q_starts bigint[], _q_periods bigint[]
) RETURNS TABLE (
    rid bigint, deaths boolean, ready_at bigint, trace_before text, trace_parent text, mapped boolean, run routines.run_rows
) LANGUAGE plpgsql PLANNED AS $$
#variable_conflict use_column
DECLARE
    _taken bigint[];
    _suspect bigint[];
BEGIN
    IF NOT routines.is_live(_worker) THEN
        RAISE EXCEPTION 'the lease of worker % has expired or is gone: its runs may have other owners', _worker
            USING ERRCODE = 'HF001';
    ELSIF EXISTS (SELECT FROM routines.the_dead()) THEN
        deaths := true;
        RETURN NEXT;
        RETURN;
    ELSIF NOT EXISTS (
        -- not by EXISTS, which may be planned as a look at every run that there is
        SELECT FROM unnest(_agents, _versions) AS h (agent, version)
        LEFT JOIN routines.room(_q_agents, _q_limits, _q_starts, _q_periods, _now) AS q ON q.agent = h.agent
        WHERE coalesce(q.places, 1) > 0 AND coalesce(q.begins, 1) > 0
              AND (SELECT true FROM holdfast.runs AS r WHERE r.agent = h.agent AND r.version = h.version
                                                         AND r.status = 'queued' AND NOT r.held LIMIT 1)
           OR coalesce(q.places, 1) > 0
              AND (SELECT true FROM holdfast.runs AS r WHERE r.agent = h.agent AND r.version = h.version
                                                         AND r.status = 'queued' AND NOT r.held
                                                         AND r.started_at IS NOT NULL LIMIT 1)
           OR (SELECT true FROM holdfast.runs AS r WHERE r.agent = h.agent AND r.version = h.version
                                                     AND r.status = 'waiting' AND r.wake_at <= _now LIMIT 1)
    ) THEN
        RETURN;  -- a look without any lock, so that idle workers write nothing
    END IF;
    PERFORM routines.be_kept_here();
    PERFORM routines.lock_quotas(_schema, _q_agents);
    UPDATE holdfast.workers AS w SET claims = _claim
    WHERE w.id = _worker AND w.claims = _claim - 1 AND w.expires_at > routines.now_us();
    IF NOT FOUND THEN
        PERFORM routines.check_claims(_worker, _claim);
        RAISE EXCEPTION 'claim % of worker % comes late', _claim, _worker USING ERRCODE = 'HF004';
    END IF;
    UPDATE holdfast.runs AS r SET status = 'queued', ready_at = r.wake_at, wake_at = NULL
    WHERE r.rid = ANY (ARRAY(
        SELECT d.rid FROM unnest(_agents, _versions) AS h (agent, version)
        CROSS JOIN LATERAL (
            SELECT w.rid FROM holdfast.runs AS w
            WHERE w.agent = h.agent AND w.version = h.version AND w.status = 'waiting' AND w.wake_at <= _now
            ORDER BY w.wake_at LIMIT greatest(_limit, 1000) FOR UPDATE SKIP LOCKED) AS d));
    _taken := routines.best_ready(_worker, _agents, _versions, 0, 1, _limit, _now, _q_agents, _q_limits, _q_starts, _q_periods);
    PERFORM routines.take(_taken, _worker, _claim, _agents, _versions, _builds, _now, _q_agents, _q_starts, _q_periods);
    -- One suspect at a time: those that were only beside the culprit must not be lost, and blocked, with it.
    IF cardinality(_taken) < _limit AND NOT EXISTS (
        SELECT FROM holdfast.runs AS r WHERE r.worker = _worker AND r.status = 'running' AND r.lost >= 2
    ) THEN
        _suspect := routines.best_ready(_worker, _agents, _versions, 2, 1000000, 1, _now,
                                        _q_agents, _q_limits, _q_starts, _q_periods);
        IF cardinality(_suspect) > 0 THEN
            PERFORM routines.take(_suspect, _worker, _claim, _agents, _versions, _builds, _now,
                                  _q_agents, _q_starts, _q_periods);
            _taken := _taken || _suspect;
        END IF;
    END IF;
    deaths := false;
    RETURN NEXT;  -- a row that says that the number was used
    RETURN QUERY
        SELECT t.rid, false, r.ready_at,
               (SELECT a.trace FROM holdfast.activations AS a
                WHERE a.rid = r.rid AND a.epoch > r.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1),
               (SELECT a.trace FROM holdfast.runs AS p JOIN holdfast.activations AS a ON a.rid = p.rid
                WHERE p.rid = r.parent AND a.epoch > p.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1),
               EXISTS (SELECT FROM holdfast.groups AS g WHERE g.rid = r.rid)
               OR EXISTS (SELECT FROM holdfast.items AS i WHERE i.rid = r.rid),
               v
        FROM unnest(_taken) WITH ORDINALITY AS t (rid, n)
        JOIN holdfast.runs AS r ON r.rid = t.rid
        LEFT JOIN routines.run_rows AS v
            ON v.rid = t.rid AND r.epoch = 1 AND r.wakes = 0 AND r.generation = 0 AND r.origin IS NULL
        ORDER BY t.n;
END $$;

-- Whether the database knows the claims of a worker before this one; else an error: it was restored, or failed over to a standby
-- that lacked them. Runs of theirs could be claimed again in the same epoch, by the same worker.
CREATE FUNCTION routines.check_claims(_worker text, _claim bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM holdfast.workers AS w WHERE w.id = _worker AND w.claims < _claim - 1) THEN
        RAISE EXCEPTION 'the database has forgotten claims of worker % before %: others may have its runs', _worker, _claim
            USING ERRCODE = 'HF001';
    END IF;
END $$;

-- Lock the ready runs of these versions whose turn it is, with no more losses than `_most` and no fewer than `_least`, as far
-- as the quotas leave room: of those that one holds back, none hides one that it does not. By priority; then, if there are
-- more than are wanted, fairly: the next is of the agent of which the worker has the fewest, and of several such the one that
-- is hosted first; within an agent who is ready for longest.
CREATE FUNCTION routines.best_ready(
    _worker text, _agents text[], _versions text[], _least int, _most int, _limit int, _now bigint,
    _q_agents text[], _q_limits bigint[], _q_starts bigint[], _q_periods bigint[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    _rids bigint[];
    _whose text[];
    _priorities bigint[];
BEGIN
    WITH hosted AS (
        SELECT h.agent, h.version, q.agent IS NOT NULL AS limited,
               greatest(0, coalesce(q.places, _limit)) AS places,
               greatest(0, coalesce(q.begins, _limit)) AS begins
        FROM unnest(_agents, _versions) AS h (agent, version)
        LEFT JOIN routines.room(_q_agents, _q_limits, _q_starts, _q_periods, _now) AS q ON q.agent = h.agent
    ), found AS MATERIALIZED (
        SELECT h.agent, h.limited, h.places, h.begins, c.rid, c.priority, c.ready_at, c.is_new
        FROM hosted AS h
        CROSS JOIN LATERAL (
            SELECT * FROM (
                SELECT r.rid, r.priority, r.ready_at, false AS is_new FROM holdfast.runs AS r
                WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'queued' AND NOT r.held
                  AND r.lost BETWEEN _least AND _most
                ORDER BY r.priority DESC, r.ready_at, r.rid
                LIMIT CASE WHEN h.limited THEN 0 ELSE _limit END FOR UPDATE SKIP LOCKED) AS free
            UNION ALL
            SELECT * FROM (
                SELECT r.rid, r.priority, r.ready_at, false AS is_new FROM holdfast.runs AS r
                WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'queued' AND NOT r.held
                  AND r.started_at IS NOT NULL AND r.lost BETWEEN _least AND _most
                ORDER BY r.priority DESC, r.ready_at, r.rid
                LIMIT CASE WHEN h.limited THEN least(_limit, h.places) ELSE 0 END FOR UPDATE SKIP LOCKED) AS go_on
            UNION ALL
            SELECT * FROM (
                SELECT r.rid, r.priority, r.ready_at, true AS is_new FROM holdfast.runs AS r
                WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'queued' AND NOT r.held
                  AND r.started_at IS NULL AND r.lost BETWEEN _least AND _most
                ORDER BY r.priority DESC, r.ready_at, r.rid
                LIMIT CASE WHEN h.limited THEN least(_limit, h.places, h.begins) ELSE 0 END
                FOR UPDATE SKIP LOCKED) AS begin
        ) AS c
    ), begun AS (
        SELECT f.*, row_number() OVER (PARTITION BY f.agent, f.is_new ORDER BY f.priority DESC, f.ready_at, f.rid) AS nth
        FROM found AS f
    ), admitted AS (
        SELECT b.*, row_number() OVER (PARTITION BY b.agent ORDER BY b.priority DESC, b.ready_at, b.rid) AS place
        FROM begun AS b WHERE NOT b.is_new OR b.nth <= b.begins
    )
    SELECT array_agg(a.rid ORDER BY a.priority DESC, a.ready_at, a.rid),
           array_agg(a.agent ORDER BY a.priority DESC, a.ready_at, a.rid),
           array_agg(a.priority ORDER BY a.priority DESC, a.ready_at, a.rid)
    INTO _rids, _whose, _priorities
    FROM admitted AS a WHERE NOT a.limited OR a.place <= a.places;
    IF coalesce(cardinality(_rids), 0) <= _limit THEN  -- nobody has to stand back
        RETURN coalesce(_rids, '{}');
    END IF;
    RETURN ARRAY(
        SELECT f.rid
        FROM (SELECT f.rid, f.agent, f.priority, f.n, row_number() OVER (PARTITION BY f.agent ORDER BY f.n) AS nth
              FROM unnest(_rids, _whose, _priorities) WITH ORDINALITY AS f (rid, agent, priority, n)) AS f
        LEFT JOIN (SELECT r.agent, count(*) AS runs FROM holdfast.runs AS r
                   WHERE r.worker = _worker AND r.status = 'running' GROUP BY r.agent) AS held ON held.agent = f.agent
        ORDER BY f.priority DESC, coalesce(held.runs, 0) + f.nth, array_position(_agents, f.agent), f.n LIMIT _limit);
END $$;

-- Become the owner of runs that are locked, and remember who hosts them.
CREATE FUNCTION routines.take(
    _rids bigint[], _worker text, _claim bigint, _agents text[], _versions text[], _builds text[], _now bigint,
    _q_agents text[], _q_starts bigint[], _q_periods bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(_q_agents) > 0 THEN
        PERFORM routines.note_starts(
            ARRAY(SELECT r.agent::text FROM holdfast.runs AS r WHERE r.rid = ANY (_rids) AND r.started_at IS NULL),
            _q_agents, _q_starts, _q_periods, _now);
    END IF;
    WITH taken AS (
        UPDATE holdfast.runs AS r
        SET status = 'running', worker = _worker, epoch = r.epoch + 1, started_at = coalesce(r.started_at, _now)
        WHERE r.rid = ANY (_rids)
        RETURNING r.rid, r.epoch, r.agent, r.version
    )
    INSERT INTO holdfast.activations (rid, epoch, worker, claim, build, at)
    SELECT t.rid, t.epoch, _worker, _claim,
           (SELECT h.build FROM unnest(_agents, _versions, _builds) AS h (agent, version, build)
            WHERE h.agent = t.agent AND h.version = t.version LIMIT 1), _now
    FROM taken AS t;
END $$;

-- What there is to take over: the dead, and their runs that would be blocked by it.
CREATE FUNCTION routines.estate() RETURNS TABLE (worker text, rid bigint, id text, lost int) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    RETURN QUERY
        SELECT d.worker, r.rid, r.id::text, r.lost + 1
        FROM routines.the_dead() AS d (worker)
        LEFT JOIN holdfast.runs AS r ON r.worker = d.worker AND r.status = 'running' AND r.lost >= 2;
END $$;

-- Take the runs of dead workers from them. Those that were lost too often are blocked, with the error given for them.
CREATE FUNCTION routines.take_over(_dead text[], _deadly bigint[], _errors bytea[]) RETURNS void LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _mine text[];
    _now bigint := routines.now_us();
BEGIN
    PERFORM routines.be_kept_here();
    -- A commit of theirs that is under way holds its row: it is theirs until it ends, and we come back later.
    _mine := ARRAY(
        SELECT b.worker FROM holdfast.batches AS b LEFT JOIN holdfast.workers AS w ON w.id = b.worker
        WHERE b.worker = ANY (_dead) AND (w.id IS NULL OR w.expires_at <= _now)
        ORDER BY b.worker FOR UPDATE OF b SKIP LOCKED);
    _mine := _mine || ARRAY(
        SELECT d.worker FROM unnest(_dead) AS d (worker)
        WHERE NOT EXISTS (SELECT FROM holdfast.batches AS b WHERE b.worker = d.worker)
          AND NOT EXISTS (SELECT FROM holdfast.workers AS w WHERE w.id = d.worker));
    -- A lease is renewed only until it has expired: nobody can bring one of these back.
    DELETE FROM holdfast.workers AS w WHERE w.id = ANY (_mine) AND w.expires_at <= _now;
    -- But a renewal may have begun before that, and have been slower than this.
    _mine := ARRAY(SELECT m.worker FROM unnest(_mine) AS m (worker)
                   WHERE NOT EXISTS (SELECT FROM holdfast.workers AS w WHERE w.id = m.worker));
    DELETE FROM holdfast.batches AS b WHERE b.worker = ANY (_mine);
    PERFORM FROM holdfast.runs AS r WHERE r.worker = ANY (_mine) AND r.status = 'running' ORDER BY r.rid FOR UPDATE;
    UPDATE holdfast.runs AS r
    SET status = CASE WHEN r.lost >= 2 THEN 'blocked' ELSE 'queued' END,
        error = CASE WHEN r.lost >= 2 THEN (SELECT e.error FROM unnest(_deadly, _errors) AS e (rid, error) WHERE e.rid = r.rid)
                     ELSE r.error END,
        worker = NULL, lost = r.lost + 1, ready_at = _now,
        entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = r.rid)
    WHERE r.worker = ANY (_mine) AND r.status = 'running';
END $$;

-- Stop a run until a person resumes it.
CREATE FUNCTION routines.block(_rid bigint, _why bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE holdfast.runs AS r
    SET status = 'blocked', worker = NULL, wake_at = NULL, error = _why,
        entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = _rid)
    WHERE r.rid = _rid;
END $$;

-- Stop runs whose rows cannot be read.
CREATE FUNCTION routines.block_unreadable(_worker text, _rids bigint[], _errors bytea[]) RETURNS void
LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    PERFORM routines.lock_runs(_rids, '{}');
    PERFORM routines.block(r.rid, u.error) FROM unnest(_rids, _errors) AS u (rid, error)
    JOIN holdfast.runs AS r ON r.rid = u.rid AND r.worker = _worker AND r.status = 'running';
END $$;

-- Queue the runs of a claim again that nobody was told of; from now on it can take none. Says what number was used last.
CREATE FUNCTION routines.give_up(_worker text, _claim bigint) RETURNS bigint LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _last bigint;
BEGIN
    PERFORM routines.be_kept_here();
    PERFORM routines.check_claims(_worker, _claim);
    UPDATE holdfast.workers AS w SET claims = greatest(w.claims, _claim) WHERE w.id = _worker RETURNING w.claims INTO _last;
    PERFORM FROM holdfast.runs AS r WHERE r.worker = _worker AND r.status = 'running' ORDER BY r.rid FOR UPDATE;
    UPDATE holdfast.runs AS r
    SET status = 'queued', worker = NULL, entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = r.rid)
    WHERE r.worker = _worker AND r.status = 'running'
      AND (SELECT a.claim FROM holdfast.activations AS a WHERE a.rid = r.rid AND a.epoch = r.epoch) = _claim;
    RETURN _last;
END $$;

-- A new worker. Sent again, it is the same one.
CREATE FUNCTION routines.register(_worker text, _host text, _pid bigint, _hosts text, _ttl bigint) RETURNS void
LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _now bigint := routines.now_us();
BEGIN
    PERFORM routines.be_durable();
    INSERT INTO holdfast.workers (id, host, pid, hosts, started_at, renewed_at, expires_at)
    VALUES (_worker, _host, _pid, _hosts, _now, _now, _now + _ttl)
    ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at, expires_at = excluded.expires_at;
    INSERT INTO holdfast.batches (worker) VALUES (_worker) ON CONFLICT DO NOTHING;
END $$;

-- Extend a lease that has not expired. It need not be on the disk: after a power failure there is no worker to keep it for.
CREATE FUNCTION routines.renew(_worker text, _ttl bigint) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _now bigint := routines.now_us();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE holdfast.workers SET expires_at = _now + _ttl, renewed_at = _now WHERE id = _worker AND expires_at > _now;
    RETURN FOUND;
END $$;

-- Delete a worker and give its runs back to the queue.
CREATE FUNCTION routines.release(_worker text) RETURNS void LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    DELETE FROM holdfast.batches WHERE worker = _worker;
    DELETE FROM holdfast.workers WHERE id = _worker;
    PERFORM FROM holdfast.runs AS r WHERE r.worker = _worker AND r.status = 'running' ORDER BY r.rid FOR UPDATE;
    UPDATE holdfast.runs AS r
    SET status = 'queued', worker = NULL, ready_at = routines.now_us(),
        entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = r.rid)
    WHERE r.worker = _worker AND r.status = 'running';
END $$;
