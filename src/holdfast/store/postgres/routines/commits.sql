-- Group commit: a batch of deltas in one call, which is one transaction and one round trip.

-- Apply a batch, unless it is the last one again: then say what became of it. The deltas are given by place (`_rids`,
-- `_epochs`, `_rounds`; everything else refers to them by place, from 1). A delta that follows an end of the same run in the
-- batch is of a later round, so that within a round everything is written set-wise: what concerns others, then what was
-- observed, then the ends, in their order.
-- Verdicts: 1 applied, 2 refused, 3 awake.
CREATE FUNCTION routines.commit(
    _worker text, _number bigint, _rids bigint[], _epochs bigint[], _rounds int[],
    _e_n int[], _e_seq bigint[], _e_kind smallint[], _e_op smallint[], _e_key text[], _e_at bigint[], _e_ok boolean[],
    _e_guarded boolean[], _e_branch bigint[], _e_fingerprint bytea[], _e_value bytea[], _e_note bytea[],
    _i_n int[], _i_map bigint[], _i_ord bigint[], _i_branch bigint[], _i_seq bigint[], _i_at bigint[], _i_ok boolean[],
    _i_within bigint[], _i_value bytea[],
    _f_n int[], _f_path text[], _f_seq bigint[], _f_kind smallint[], _f_mode int[], _f_size bigint[], _f_target text[],
    _f_chunks bytea[], _u_n int[], _u_digest bytea[],
    _s_n int[], _s_seen bigint[], _p_n int[], _p_progress text[], _t_n int[], _t_trace text[],
    _c_n int[], _c_ids text[], _c_agents text[], _c_versions text[], _c_keys text[], _c_priorities bigint[],
    _c_ats bigint[], _c_timeouts bigint[], _c_roots text[], _c_digests bytea[], _c_inputs bytea[], _c_parents text[],
    _c_parent_keys text[], _c_detached boolean[], _c_maps bigint[], _c_ords bigint[], _c_branches bigint[],
    _c_held boolean[], _c_tag_runs text[], _c_tags text[],
    _acts jsonb, _x_n int[], _x_kind text[], _x_wakes bigint[], _x_wake_at bigint[], _x_status text[], _x_value bytea[],
    _x_at bigint[], _x_because bigint[], _renewals jsonb, _packed jsonb
) RETURNS TABLE (verdicts smallint[]) LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _last bigint;
    _v smallint[];
    _known smallint[];
    _ending bigint[];
    _whose bigint[];
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.batches AS b SET number = _number, verdicts = NULL WHERE b.worker = _worker AND b.number = _number - 1;
    IF NOT FOUND THEN
        RETURN QUERY SELECT routines.answer_again(_worker, _number, cardinality(_rids));
        RETURN;
    END IF;
    SELECT coalesce(array_agg(DISTINCT _rids[x.n]), '{}') INTO _ending
    FROM unnest(_x_n, _x_kind) AS x (n, kind) WHERE x.kind IN ('finish', 'renew');
    _whose := _rids;
    IF _acts IS NOT NULL THEN
        SELECT _whose || coalesce(array_agg(r.rid), '{}'), _ending || coalesce(array_agg(r.rid), '{}')
        INTO _whose, _ending
        FROM jsonb_array_elements(_acts -> 'cancels') AS c JOIN holdfast.runs AS r ON r.id = c ->> 'id';
        SELECT _ending || coalesce(array_agg(_rids[(c ->> 'n')::int]), '{}') INTO _ending
        FROM jsonb_array_elements(_acts -> 'cancel_groups') AS c;
    END IF;
    PERFORM routines.lock_runs(_whose, _ending);
    -- By `rid` alone: found by its owner, each would be looked for among all that the worker has in memory.
    SELECT array_agg(CASE WHEN EXISTS (
        SELECT FROM holdfast.runs AS r WHERE r.rid = d.rid AND r.epoch = d.epoch AND coalesce(r.worker, '') = _worker
    ) THEN 1 ELSE 2 END::smallint ORDER BY d.n) INTO _v
    FROM unnest(_rids, _epochs) WITH ORDINALITY AS d (rid, epoch, n);
    FOR _round IN 0 .. coalesce((SELECT max(x) FROM unnest(_rounds) AS x), 0) LOOP
        IF _round > 0 THEN
            -- what follows an end in the batch: applied only if that end was none (awake)
            SELECT array_agg(CASE WHEN d.round < _round OR EXISTS (
                SELECT FROM holdfast.runs AS r WHERE r.rid = d.rid AND coalesce(r.worker, '') = _worker
            ) THEN d.verdict ELSE 2 END::smallint ORDER BY d.n) INTO _v
            FROM unnest(_rids, _rounds, _v) WITH ORDINALITY AS d (rid, round, verdict, n);
        END IF;

        IF _acts IS NOT NULL THEN
            PERFORM routines.declare_promises(_rids, _rounds, _v, _round, _acts);
            PERFORM routines.put_group(_rids[g.n], g.map, g.key, g.total, g.lim, g.every, g.first_failure,
                                       coalesce(g.at, routines.now_us()))
            FROM jsonb_to_recordset(_acts -> 'groups') AS g (
                n int, map bigint, key text, total bigint, lim bigint, every boolean, first_failure boolean, at bigint)
            WHERE _v[g.n] = 1 AND _rounds[g.n] = _round;
            IF _acts ?| ARRAY['approvals', 'withdrawn'] THEN
                PERFORM routines.ask_people(_rids, _rounds, _v, _round, _acts);
            END IF;
        END IF;
        IF cardinality(_c_n) > 0 THEN
            PERFORM routines.start_children(
                _rids, _rounds, _v, _round, _packed,
                _c_n, _c_ids, _c_agents, _c_versions, _c_keys, _c_priorities, _c_ats, _c_timeouts, _c_roots, _c_digests,
                _c_inputs, _c_parents, _c_parent_keys, _c_detached, _c_maps, _c_ords, _c_branches, _c_held, _c_tag_runs,
                _c_tags);
        END IF;
        IF _acts IS NOT NULL THEN
            PERFORM routines.cancel_locked(r.rid, 'its parent cancelled it', decode(_packed ->> 'its parent cancelled it', 'base64'),
                                           decode(_packed ->> 'its parent cancelled', 'base64'),
                                           coalesce((c ->> 'at')::bigint, routines.now_us()))
            FROM jsonb_array_elements(_acts -> 'cancels') AS c JOIN holdfast.runs AS r ON r.id = c ->> 'id'
            WHERE _v[(c ->> 'n')::int] = 1 AND _rounds[(c ->> 'n')::int] = _round;
            PERFORM routines.cancel_children(ARRAY[_rids[(c ->> 'n')::int]], (c ->> 'map')::bigint, 'its parent cancelled the map',
                                             decode(_packed ->> 'its parent cancelled the map', 'base64'),
                                             coalesce((c ->> 'at')::bigint, routines.now_us()))
            FROM jsonb_array_elements(_acts -> 'cancel_groups') AS c
            WHERE _v[(c ->> 'n')::int] = 1 AND _rounds[(c ->> 'n')::int] = _round;
        END IF;

        IF cardinality(_e_n) > 0 THEN
            INSERT INTO holdfast.journal (rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
            SELECT _rids[e.n], e.seq, e.kind, e.op, e.key, e.at, e.ok, e.guarded, e.branch, e.fingerprint, e.value, e.note
            FROM unnest(_e_n, _e_seq, _e_kind, _e_op, _e_key, _e_at, _e_ok, _e_guarded, _e_branch, _e_fingerprint, _e_value,
                        _e_note)
                 AS e (n, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
            WHERE _v[e.n] = 1 AND _rounds[e.n] = _round;
        END IF;
        IF cardinality(_i_n) > 0 THEN
            PERFORM routines.add_items(_rids, _rounds, _v, _round, _i_n, _i_map, _i_ord, _i_branch, _i_seq, _i_at, _i_ok,
                                       _i_within, _i_value);
        END IF;
        IF cardinality(_e_n) + cardinality(_i_n) > 0 THEN
            -- it has recorded something: it is not what killed its workers
            UPDATE holdfast.runs AS r SET lost = 0
            WHERE r.lost > 0 AND r.rid = ANY (ARRAY(
                SELECT _rids[e.n] FROM unnest(_e_n || _i_n) AS e (n) WHERE _v[e.n] = 1 AND _rounds[e.n] = _round));
        END IF;
        IF cardinality(_f_n) > 0 THEN
            INSERT INTO holdfast.files (rid, path, seq, kind, mode, size, target, chunks)
            SELECT DISTINCT ON (_rids[f.n], f.path, f.seq)
                   _rids[f.n], f.path, f.seq, f.kind, f.mode, f.size, f.target, f.chunks
            FROM unnest(_f_n, _f_path, _f_seq, _f_kind, _f_mode, _f_size, _f_target, _f_chunks)
                 WITH ORDINALITY AS f (n, path, seq, kind, mode, size, target, chunks, place)
            WHERE _v[f.n] = 1 AND _rounds[f.n] = _round
            ORDER BY _rids[f.n], f.path, f.seq, f.place DESC
            ON CONFLICT (rid, path, seq) DO UPDATE SET kind = excluded.kind, mode = excluded.mode, size = excluded.size,
                                                       target = excluded.target, chunks = excluded.chunks;
            INSERT INTO holdfast.uses (rid, digest)
            SELECT _rids[u.n], u.digest FROM unnest(_u_n, _u_digest) AS u (n, digest)
            WHERE _v[u.n] = 1 AND _rounds[u.n] = _round
            ON CONFLICT DO NOTHING;
        END IF;
        IF cardinality(_s_n) > 0 THEN
            PERFORM routines.see(_rids, _rounds, _v, _round, _s_n, _s_seen);
        END IF;
        IF cardinality(_p_n) > 0 THEN
            UPDATE holdfast.runs AS r SET progress = p.progress
            FROM (SELECT DISTINCT ON (_rids[p.n]) _rids[p.n] AS rid, p.progress
                  FROM unnest(_p_n, _p_progress) AS p (n, progress)
                  WHERE _v[p.n] = 1 AND _rounds[p.n] = _round ORDER BY _rids[p.n], p.n DESC) AS p
            WHERE r.rid = p.rid;
        END IF;
        IF cardinality(_t_n) > 0 THEN
            UPDATE holdfast.activations AS a SET trace = t.trace
            FROM unnest(_t_n, _t_trace) AS t (n, trace)
            WHERE a.rid = _rids[t.n] AND a.epoch = _epochs[t.n] AND _v[t.n] = 1 AND _rounds[t.n] = _round;
        END IF;

        IF cardinality(_x_n) > 0 THEN
            _v := routines.end_activations(_rids, _rounds, _v, _round, _x_n, _x_kind, _x_wakes, _x_wake_at, _x_status,
                                           _x_value, _x_at, _x_because, _renewals, _packed);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM unnest(_v) AS one WHERE one <> 1) THEN
        UPDATE holdfast.batches AS b SET verdicts = _v WHERE b.worker = _worker;
    END IF;
    RETURN QUERY SELECT _v;
END $$;

-- What became of a batch that was sent before. It writes, so that the answer waits for the disk, and for the standby, as the
-- batch itself should have.
CREATE FUNCTION routines.answer_again(_worker text, _number bigint, _size int) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
    _last bigint;
    _v smallint[];
BEGIN
    UPDATE holdfast.batches AS b SET number = b.number WHERE b.worker = _worker RETURNING b.number, b.verdicts INTO _last, _v;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'worker % is gone: its lease expired and others took its runs', _worker USING ERRCODE = 'HF001';
    ELSIF _last < _number - 1 THEN  -- restored, or failed over to a standby that lacked the last commits
        RAISE EXCEPTION 'the database has forgotten commits of worker % after %: its runs go on from there', _worker, _last
            USING ERRCODE = 'HF001';
    ELSIF _last <> _number THEN
        RAISE EXCEPTION 'worker % sent commit % after %: commits are numbered one by one', _worker, _number, _last
            USING ERRCODE = 'HF002';
    END IF;
    RETURN coalesce(_v, array_fill(1::smallint, ARRAY[_size]));
END $$;

-- Declare promises, which may have been resolved already: then they have told the run.
CREATE FUNCTION routines.declare_promises(_rids bigint[], _rounds int[], _v smallint[], _round int, _acts jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO holdfast.promises (id, rid, key, schema)
    SELECT DISTINCT ON (p.id) p.id, _rids[p.n], p.key, decode(p.schema, 'base64')
    FROM jsonb_to_recordset(_acts -> 'promises') AS p (n int, id text, key text, schema text)
    WHERE _v[p.n] = 1 AND _rounds[p.n] = _round
    ORDER BY p.id, p.n DESC
    ON CONFLICT (id) DO UPDATE SET key = excluded.key, schema = excluded.schema;
END $$;

-- Insert the children of deltas. Those that exist are left as they are, unless their parent had forgotten them.
CREATE FUNCTION routines.start_children(
    _rids bigint[], _rounds int[], _v smallint[], _round int, _packed jsonb,
    _n int[], _ids text[], _agents text[], _versions text[], _keys text[], _priorities bigint[], _ats bigint[],
    _timeouts bigint[], _roots text[], _digests bytea[], _inputs bytea[], _parents text[], _parent_keys text[],
    _detached boolean[], _maps bigint[], _ords bigint[], _branches bigint[], _held boolean[], _tag_runs text[], _tags text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _child record;
    _mine boolean;
BEGIN
    _mine := (SELECT bool_and(_v[n] = 1 AND _rounds[n] = _round) FROM unnest(_n) AS n);
    IF NOT _mine THEN  -- rare: an owner of old, or an end before it
        SELECT coalesce(array_agg(c.n ORDER BY c.place), '{}'), array_agg(c.id ORDER BY c.place),
               array_agg(c.agent ORDER BY c.place), array_agg(c.version ORDER BY c.place),
               array_agg(c.key ORDER BY c.place), array_agg(c.priority ORDER BY c.place),
               array_agg(c.at ORDER BY c.place), array_agg(c.timeout ORDER BY c.place),
               array_agg(c.root ORDER BY c.place), array_agg(c.digest ORDER BY c.place),
               array_agg(c.input ORDER BY c.place), array_agg(c.parent ORDER BY c.place),
               array_agg(c.parent_key ORDER BY c.place), array_agg(c.detached ORDER BY c.place),
               array_agg(c.map ORDER BY c.place), array_agg(c.ord ORDER BY c.place),
               array_agg(c.branch ORDER BY c.place), array_agg(c.held ORDER BY c.place)
        INTO _n, _ids, _agents, _versions, _keys, _priorities, _ats, _timeouts, _roots, _digests, _inputs, _parents,
             _parent_keys, _detached, _maps, _ords, _branches, _held
        FROM unnest(_n, _ids, _agents, _versions, _keys, _priorities, _ats, _timeouts, _roots, _digests, _inputs, _parents,
                    _parent_keys, _detached, _maps, _ords, _branches, _held)
             WITH ORDINALITY AS c (n, id, agent, version, key, priority, at, timeout, root, digest, input, parent,
                                   parent_key, detached, map, ord, branch, held, place)
        WHERE _v[c.n] = 1 AND _rounds[c.n] = _round;
        IF cardinality(_n) = 0 THEN
            RETURN;
        END IF;
    END IF;
    FOR _child IN
        SELECT c.id, c.n, c.at, c.map, c.held, c.agent, c.found
        FROM ROWS FROM (
            unnest(_ids, _n, _ats, _maps, _held, _agents),
            routines.insert_runs(_ids, _agents, _versions, _keys, _priorities, _ats, _timeouts, _roots, _digests, _inputs,
                                 _parents, _parent_keys, _detached, _maps, _ords, _branches, _held, _tag_runs, _tags,
                                 decode(_packed ->> 'its parent has ended', 'base64'),
                                 decode(_packed ->> 'its parent cancelled', 'base64'), NULL)
        ) AS c (id, n, at, map, held, agent, rid, found, fresh, digest)
        WHERE NOT c.fresh
    LOOP
        IF _child.found <> _child.id THEN
            RAISE EXCEPTION 'child % of agent % cannot start: % has its key', _child.id, _child.agent, _child.found
                USING ERRCODE = 'HF002';
        END IF;
        PERFORM routines.adopt(_child.id, _rids[_child.n], _child.map, _child.held, _child.at);
    END LOOP;
END $$;

-- Record items. Those without a value get what their child run ended with; no such child: NULL, which the table refuses.
CREATE FUNCTION routines.add_items(
    _rids bigint[], _rounds int[], _v smallint[], _round int, _n int[], _map bigint[], _ord bigint[], _branch bigint[],
    _seq bigint[], _at bigint[], _ok boolean[], _within bigint[], _value bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO holdfast.items (rid, map, ord, branch, seq, at, ok, within, value)
    SELECT _rids[i.n], i.map, i.ord, i.branch, i.seq, i.at, i.ok, i.within,
           CASE WHEN i.value IS NOT NULL THEN i.value ELSE (
               SELECT coalesce(child.result, child.error)
               FROM holdfast.runs AS child JOIN holdfast.runs AS me ON me.rid = _rids[i.n]
               WHERE child.parent = _rids[i.n] AND child.map = i.map AND child.ord = i.ord
                 AND child.parent_generation = me.generation AND child.ended_at IS NOT NULL) END
    FROM unnest(_n, _map, _ord, _branch, _seq, _at, _ok, _within, _value)
         AS i (n, map, ord, branch, seq, at, ok, within, value)
    WHERE _v[i.n] = 1 AND _rounds[i.n] = _round;
    DELETE FROM holdfast.endings AS e USING unnest(_n, _map, _ord) AS i (n, map, ord)
    WHERE e.rid = _rids[i.n] AND e.map = i.map AND e.ord = i.ord AND _v[i.n] = 1 AND _rounds[i.n] = _round;
END $$;

-- News up to here is in the journal.
CREATE FUNCTION routines.see(_rids bigint[], _rounds int[], _v smallint[], _round int, _n int[], _seen bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH heard AS (
        SELECT _rids[s.n] AS rid, max(s.seen) AS seen FROM unnest(_n, _seen) AS s (n, seen)
        WHERE _v[s.n] = 1 AND _rounds[s.n] = _round GROUP BY _rids[s.n]
    ), forgotten AS (
        DELETE FROM holdfast.inbox AS i USING heard WHERE i.rid = heard.rid AND i.wake <= heard.seen
    )
    UPDATE holdfast.runs AS r SET seen = heard.seen FROM heard WHERE r.rid = heard.rid AND r.seen < heard.seen;
END $$;

-- Let runs leave their worker's memory, in this order: those that follow each other and leave in the same way, together.
-- Answers the verdicts: those that would wait and have news are awake.
CREATE FUNCTION routines.end_activations(
    _rids bigint[], _rounds int[], _v smallint[], _round int, _n int[], _kind text[], _wakes bigint[], _wake_at bigint[],
    _status text[], _value bytea[], _at bigint[], _because bigint[], _renewals jsonb, _packed jsonb
) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
    _alike record;
    _awake int[];
BEGIN
    FOR _alike IN
        SELECT x.kind, array_agg(x.place::int ORDER BY x.place) AS places, array_agg(x.rid ORDER BY x.place) AS rids
        FROM (
            SELECT x.kind, x.place, _rids[x.n] AS rid,
                   row_number() OVER (ORDER BY x.place) - row_number() OVER (PARTITION BY x.kind ORDER BY x.place) AS sequence
            FROM unnest(_n, _kind) WITH ORDINALITY AS x (n, kind, place)
            WHERE _v[x.n] = 1 AND _rounds[x.n] = _round) AS x
        GROUP BY x.kind, x.sequence ORDER BY min(x.place)
    LOOP
        IF _alike.kind = 'finish' THEN
            PERFORM routines.end_runs(
                _alike.rids, array_agg(_status[p] ORDER BY p), array_agg(_value[p] ORDER BY p), array_agg(_at[p] ORDER BY p),
                array_agg(_because[p] ORDER BY p),
                array_agg(decode(_packed ->> ('its parent ' || _status[p]), 'base64') ORDER BY p))
            FROM unnest(_alike.places) AS p;
        ELSIF _alike.kind = 'suspend' THEN
            WITH suspended AS (
                UPDATE holdfast.runs AS r
                SET status = 'waiting', worker = NULL, wake_at = _wake_at[p], lost = 0,
                    entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = r.rid)
                FROM unnest(_alike.places) AS p
                WHERE r.rid = _rids[_n[p]] AND r.wakes = _wakes[p] AND r.seen = r.wakes
                RETURNING p
            )
            SELECT array_agg(_n[p]) INTO _awake
            FROM unnest(_alike.places) AS p WHERE p NOT IN (SELECT suspended.p FROM suspended);
            FOR _i IN 1 .. coalesce(cardinality(_awake), 0) LOOP
                _v[_awake[_i]] := 3;
            END LOOP;
        ELSE
            PERFORM routines.end_otherwise(_alike.rids[i], _alike.kind, _value[p], _renewals -> (p - 1), _packed)
            FROM unnest(_alike.places) WITH ORDINALITY AS x (p, i);
        END IF;
    END LOOP;
    RETURN _v;
END $$;

-- Let a run leave its worker's memory that neither ends nor waits.
CREATE FUNCTION routines.end_otherwise(_rid bigint, _kind text, _value bytea, _renewal jsonb, _packed jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CASE _kind
    WHEN 'block' THEN
        PERFORM routines.block(_rid, _value);
    WHEN 'pause' THEN
        UPDATE holdfast.runs AS r
        SET status = CASE WHEN r.cancel_at IS NULL AND (_value IS NOT NULL OR r.pause_at IS NOT NULL) THEN 'paused' ELSE 'queued' END,
            error = CASE WHEN r.cancel_at IS NULL AND (_value IS NOT NULL OR r.pause_at IS NOT NULL)
                         THEN coalesce(_value, r.error) END,
            worker = NULL, pause_at = NULL, ready_at = routines.now_us(), lost = 0,
            entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = _rid)
        WHERE r.rid = _rid;
    WHEN 'renew' THEN
        PERFORM routines.renew_run(_rid, _renewal, _packed);
    WHEN 'hand_back' THEN
        UPDATE holdfast.runs AS r
        SET status = 'queued', worker = NULL, ready_at = routines.now_us(),
            entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = _rid)
        WHERE r.rid = _rid;
    END CASE;
END $$;

-- Begin again under the same id: empty the run, keep what must last (unseen cancels and promises), and queue it.
CREATE FUNCTION routines.renew_run(_rid bigint, _renewal jsonb, _packed jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _now bigint := routines.now_us();
    _unseen bigint;
BEGIN
    -- nobody could await them any more
    PERFORM routines.cancel_children(ARRAY[_rid], NULL, 'its parent began again',
                                     decode(_packed ->> 'its parent began again', 'base64'), _now);
    PERFORM routines.withdraw_all(ARRAY[_rid], _now);
    DELETE FROM holdfast.journal WHERE rid = _rid;
    DELETE FROM holdfast.items WHERE rid = _rid;
    DELETE FROM holdfast.groups WHERE rid = _rid;
    DELETE FROM holdfast.endings WHERE rid = _rid;
    DELETE FROM holdfast.transacted WHERE rid = _rid;
    PERFORM routines.collapse_files(_rid);
    -- News of children and of people goes with the generation that ends; what stays is numbered up to `wakes`: with a gap the run could
    -- never have seen everything.
    DELETE FROM holdfast.inbox WHERE rid = _rid AND op IN (3, 6, 9);
    SELECT count(*) INTO _unseen FROM holdfast.inbox WHERE rid = _rid;
    IF _unseen > 0 THEN
        WITH taken AS (
            DELETE FROM holdfast.inbox AS i WHERE i.rid = _rid RETURNING i.wake, i.op, i.key, i.ok, i.value
        )
        INSERT INTO holdfast.inbox (rid, wake, op, key, ok, value)
        SELECT _rid, -row_number() OVER (ORDER BY taken.wake DESC), taken.op, taken.key, taken.ok, taken.value FROM taken;
        UPDATE holdfast.inbox AS i SET wake = r.wakes + i.wake + 1 FROM holdfast.runs AS r WHERE i.rid = _rid AND r.rid = _rid;
    END IF;
    DELETE FROM holdfast.promises AS p
    WHERE p.rid = _rid AND p.ok IS NOT NULL
      AND p.key NOT IN (SELECT c ->> 'key' FROM jsonb_array_elements(_renewal -> 'carry') AS c)
      AND p.key NOT IN (SELECT i.key FROM holdfast.inbox AS i WHERE i.rid = _rid AND i.op = 4);
    UPDATE holdfast.runs AS r
    SET agent = _renewal ->> 'agent', version = _renewal ->> 'version', digest = decode(_renewal ->> 'digest', 'base64'),
        input = decode(_renewal ->> 'input', 'base64'), generation = r.generation + 1, status = 'queued', worker = NULL,
        started_at = NULL, ready_at = _now, entries = jsonb_array_length(_renewal -> 'carry'), lost = 0, progress = NULL,
        origin_seq = 0, seed = NULL, effects_as = NULL, seen = r.wakes - _unseen
    WHERE r.rid = _rid;
    INSERT INTO holdfast.journal (rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
    SELECT _rid, c.seq, c.kind, c.op, c.key, c.at, c.ok, c.guarded, c.branch, decode(c.fingerprint, 'base64'),
           decode(c.value, 'base64'), decode(c.note, 'base64')
    FROM jsonb_to_recordset(_renewal -> 'carry') AS c (
        seq bigint, kind smallint, op smallint, key text, at bigint, ok boolean, guarded boolean, branch bigint,
        fingerprint text, value text, note text);
END $$;
