-- Rulings: how approvals that are pending change.

-- Apply rulings and changes of documents. Answers what became of each ruling, by place. The second ruling of one approval in a
-- batch is of a later round, so that within a round everything is written set-wise.
CREATE FUNCTION routines.rule(
    _ids text[], _revisions bigint[], _states text[], _asked text[], _dues bigint[], _digests text[], _bodies bytea[],
    _decisions bytea[], _ats bigint[], _events text[], _marks bytea[], _rounds int[],
    _a_at bigint[], _a_actor text[], _a_action text[], _a_subject text[], _a_run text[], _a_detail bytea[],
    _p_kind text[], _p_id text[], _p_revision bigint[], _p_body bytea[], _p_expires bigint[]
) RETURNS text[] LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _rids bigint[];
    _v text[];
BEGIN
    PERFORM routines.be_durable();
    -- the run of each, by place: what is asked from now on is not known, for its run is not locked
    SELECT coalesce(array_agg(a.rid ORDER BY r.n), '{}') INTO _rids
    FROM unnest(_ids) WITH ORDINALITY AS r (id, n) LEFT JOIN holdfast.approvals AS a ON a.id = r.id;
    PERFORM routines.lock_runs(_rids, '{}');
    IF cardinality(_p_kind) > 0 AND 'fits' = ANY (routines.judge(_ids, _rids, _revisions)) THEN
        IF NOT routines.put_documents(_p_kind, _p_id, _p_revision, _p_body, _p_expires) THEN
            RETURN array_fill('moved'::text, ARRAY[cardinality(_ids)]);
        END IF;
    END IF;
    FOR _round IN 0 .. coalesce((SELECT max(x) FROM unnest(_rounds) AS x), 0) LOOP
        SELECT array_agg(CASE WHEN r.round = _round THEN r.judged ELSE r.verdict END ORDER BY r.n) INTO _v
        FROM unnest(routines.judge(_ids, _rids, _revisions), _rounds, _v)
             WITH ORDINALITY AS r (judged, round, verdict, n);
        PERFORM routines.apply_rulings(_ids, _states, _asked, _dues, _digests, _bodies, _decisions, _ats, _rounds, _v, _round);
        INSERT INTO holdfast.audit (at, actor, action, subject, run_id, detail, mark)
        SELECT r.at, r.actor, r.action, r.subject, r.run_id, r.detail, r.mark
        FROM unnest(_a_at, _a_actor, _a_action, _a_subject, _a_run, _a_detail, _marks, _rounds, _v)
             WITH ORDINALITY AS r (at, actor, action, subject, run_id, detail, mark, round, verdict, n)
        WHERE r.verdict = 'fits' AND r.round = _round ORDER BY r.n;
        INSERT INTO holdfast.outbox (event, about, channel, at, next_at, body)
        SELECT r.event, r.id, '', r.at, r.at, ''::bytea
        FROM unnest(_events, _ids, _ats, _rounds, _v) WITH ORDINALITY AS r (event, id, at, round, verdict, n)
        WHERE r.verdict = 'fits' AND r.round = _round AND r.event <> ''
          AND EXISTS (SELECT FROM holdfast.documents WHERE kind = 'channel')
        ORDER BY r.n;
        _v := array_replace(_v, 'fits', 'applied');
    END LOOP;
    IF EXISTS (SELECT FROM unnest(_v) AS one WHERE one NOT IN ('applied', 'unknown')) THEN
        SELECT array_agg(CASE WHEN r.mine AND r.verdict <> 'unknown' THEN 'applied' ELSE r.verdict END ORDER BY r.n) INTO _v
        FROM unnest(routines.known_rulings(_ids, _marks), _v) WITH ORDINALITY AS r (mine, verdict, n);
    END IF;
    RETURN coalesce(_v, '{}');
END $$;

-- How each approval stands for a ruling on this revision of it: `fits`, or why it does not.
CREATE FUNCTION routines.judge(_ids text[], _rids bigint[], _revisions bigint[]) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT CASE WHEN a.id IS NULL THEN 'unknown'
                    WHEN a.state NOT IN ('pending', 'withdrawn') THEN 'closed'
                    WHEN run.ended_at IS NOT NULL OR run.cancel_at IS NOT NULL THEN 'over'
                    WHEN a.state <> 'pending' THEN 'closed'
                    WHEN a.revision <> r.revision THEN 'moved'
                    ELSE 'fits' END
        FROM unnest(_ids, _rids, _revisions) WITH ORDINALITY AS r (id, rid, revision, n)
        LEFT JOIN holdfast.approvals AS a ON a.id = r.id AND a.rid = r.rid
        LEFT JOIN holdfast.runs AS run ON run.rid = a.rid
        ORDER BY r.n);
END $$;

-- Which rulings were applied when they were sent before.
CREATE FUNCTION routines.known_rulings(_ids text[], _marks bytea[]) RETURNS boolean[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT EXISTS (SELECT FROM holdfast.audit AS a WHERE a.subject = r.id AND a.mark = r.mark)
        FROM unnest(_ids, _marks) WITH ORDINALITY AS r (id, mark, n) ORDER BY r.n);
END $$;

-- Change the approvals whose ruling fits, and tell their runs what was decided. The numbers of the news are worked out before
-- the runs' wakes are raised: their rows are locked.
CREATE FUNCTION routines.apply_rulings(
    _ids text[], _states text[], _asked text[], _dues bigint[], _digests text[], _bodies bytea[], _decisions bytea[],
    _ats bigint[], _rounds int[], _v text[], _round int
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE holdfast.approvals AS a
    SET state = r.state, revision = a.revision + 1, asked = ARRAY(SELECT jsonb_array_elements_text(r.asked::jsonb)),
        due_at = r.due_at, digest = r.digest, body = r.body, decision = r.decision,
        decided_at = CASE WHEN r.state <> 'pending' THEN r.at END
    FROM unnest(_ids, _states, _asked, _dues, _digests, _bodies, _decisions, _ats, _rounds, _v)
         AS r (id, state, asked, due_at, digest, body, decision, at, round, verdict)
    WHERE r.verdict = 'fits' AND r.round = _round AND a.id = r.id;
    INSERT INTO holdfast.inbox (rid, wake, op, key, ok, value)
    SELECT a.rid, run.wakes + row_number() OVER (PARTITION BY a.rid ORDER BY r.n), 9, a.key, true,
           coalesce(r.decision, ''::bytea)
    FROM unnest(_ids, _states, _decisions, _rounds, _v) WITH ORDINALITY AS r (id, state, decision, round, verdict, n)
    JOIN holdfast.approvals AS a ON a.id = r.id
    JOIN holdfast.runs AS run ON run.rid = a.rid
    WHERE r.verdict = 'fits' AND r.round = _round AND r.state <> 'pending';
    UPDATE holdfast.runs AS run
    SET wakes = run.wakes + told.number,
        ready_at = CASE run.status WHEN 'waiting' THEN told.at ELSE run.ready_at END,
        wake_at = CASE run.status WHEN 'waiting' THEN NULL ELSE run.wake_at END,
        status = CASE run.status WHEN 'waiting' THEN 'queued' ELSE run.status END
    FROM (SELECT a.rid, count(*) AS number, min(r.at) AS at
          FROM unnest(_ids, _states, _ats, _rounds, _v) AS r (id, state, at, round, verdict)
          JOIN holdfast.approvals AS a ON a.id = r.id
          WHERE r.verdict = 'fits' AND r.round = _round AND r.state <> 'pending'
          GROUP BY a.rid) AS told
    WHERE run.rid = told.rid;
END $$;

-- Append to the audit trail.
CREATE FUNCTION routines.note(
    _at bigint[], _actor text[], _action text[], _subject text[], _run text[], _detail bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM routines.be_durable();
    INSERT INTO holdfast.audit (at, actor, action, subject, run_id, detail, mark)
    SELECT a.at, a.actor, a.action, a.subject, a.run_id, a.detail, ''::bytea
    FROM unnest(_at, _actor, _action, _subject, _run, _detail)
         WITH ORDINALITY AS a (at, actor, action, subject, run_id, detail, n)
    ORDER BY a.n;
END $$;
