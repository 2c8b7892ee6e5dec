-- Approvals: what runs ask of people, and what becomes of it. Whoever calls these holds the locks of the runs' rows.

-- Approvals as holdfast.records.approval.Approval has them, in the order of its fields.
CREATE VIEW routines.approval_rows AS
SELECT a.n, a.id, r.id AS run_id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
       a.digest, a.body, a.created_at, a.decided_at, a.decision,
       coalesce((SELECT top.started_by FROM holdfast.runs AS top WHERE top.id = r.root), '') AS started_by
FROM holdfast.approvals AS a JOIN holdfast.runs AS r ON r.rid = a.rid;

-- Those in one state that match, in their order, from a place on; NULL matches all. Never by sorting: of what matches there may
-- be a hundred thousand, and few are wanted.
CREATE FUNCTION routines.find_approvals(
    _state text, _to text[], _agent text, _root text, _min_risk bigint, _due_before bigint, _risk bigint, _n bigint,
    _limit bigint
) RETURNS SETOF routines.approval_rows LANGUAGE plpgsql STABLE SET enable_sort = off PLANNED AS $$
BEGIN
    RETURN QUERY
        SELECT a.n, a.id, r.id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
               a.digest, a.body, a.created_at, a.decided_at, a.decision,
               coalesce((SELECT top.started_by FROM holdfast.runs AS top WHERE top.id = r.root), '')
        FROM holdfast.approvals AS a JOIN holdfast.runs AS r ON r.rid = a.rid
        WHERE a.state = _state AND a.risk <= _risk AND (a.risk < _risk OR a.n > _n)
          AND (_to IS NULL OR a.asked = '{}' OR a.asked && _to)
          AND (_agent IS NULL OR r.agent = _agent) AND (_root IS NULL OR r.root = _root)
          AND a.risk >= _min_risk AND (_due_before IS NULL OR a.due_at < _due_before)
        ORDER BY a.risk DESC, a.n LIMIT _limit;
END $$;

-- What a batch of deltas asks of people, and what it withdraws. What was asked before stays as it is.
CREATE FUNCTION routines.ask_people(_rids bigint[], _rounds int[], _v smallint[], _round int, _acts jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH asked AS (
        INSERT INTO holdfast.approvals (id, rid, key, state, asked, risk, due_at, digest, created_at, body)
        SELECT a.id, _rids[a.n], a.key, 'pending', ARRAY(SELECT jsonb_array_elements_text(a.asked)), a.risk, a.due_at,
               a.digest, a.at, decode(a.body, 'base64')
        FROM jsonb_to_recordset(_acts -> 'approvals') AS a (
            n int, id text, key text, asked jsonb, risk bigint, due_at bigint, digest text, at bigint, body text)
        WHERE _v[a.n] = 1 AND _rounds[a.n] = _round
        ON CONFLICT (id) DO NOTHING
        RETURNING id, created_at, n
    )
    INSERT INTO holdfast.outbox (event, about, channel, at, next_at, body)
    SELECT 'approval.requested', asked.id, '', asked.created_at, asked.created_at, ''::bytea FROM asked
    WHERE EXISTS (SELECT FROM holdfast.documents WHERE kind = 'channel') ORDER BY asked.n;
    WITH gone AS (
        UPDATE holdfast.approvals AS a SET state = 'withdrawn', revision = a.revision + 1,
                                           decided_at = coalesce(w.at, routines.now_us())
        FROM jsonb_to_recordset(_acts -> 'withdrawn') AS w (n int, id text, at bigint)
        WHERE _v[w.n] = 1 AND _rounds[w.n] = _round AND a.id = w.id AND a.rid = _rids[w.n]
          AND coalesce(a.state, '') = 'pending'  -- not found by its state, see below
        RETURNING a.id, a.decided_at AS at
    )
    INSERT INTO holdfast.outbox (event, about, channel, at, next_at, body)
    SELECT 'approval.withdrawn', gone.id, '', gone.at, gone.at, ''::bytea FROM gone
    WHERE EXISTS (SELECT FROM holdfast.documents WHERE kind = 'channel');
END $$;

-- Runs no longer wait for what they have asked of people.
CREATE FUNCTION routines.withdraw_all(_rids bigint[], _at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS (
        UPDATE holdfast.approvals AS a SET state = 'withdrawn', revision = a.revision + 1, decided_at = _at
        WHERE a.rid = ANY (_rids) AND coalesce(a.state, '') = 'pending'  -- not found by its state, among all that are pending
        RETURNING a.id
    )
    INSERT INTO holdfast.outbox (event, about, channel, at, next_at, body)
    SELECT 'approval.withdrawn', gone.id, '', _at, _at, ''::bytea FROM gone
    WHERE EXISTS (SELECT FROM holdfast.documents WHERE kind = 'channel');
END $$;

-- What was asked and has no answer: a run that went back, or a fork, asks again. Kinds: 1 intent, 2 attempt, 3 outcome; op 9.
CREATE FUNCTION routines.forget_asked(_rid bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.kind IN (1, 2) AND j.op = 9
      AND j.key NOT IN (SELECT o.key FROM holdfast.journal AS o WHERE o.rid = _rid AND o.kind = 3 AND o.op = 9)
      AND j.key NOT IN (SELECT a.key FROM holdfast.approvals AS a
                        WHERE a.rid = _rid AND a.state NOT IN ('pending', 'withdrawn'));
END $$;

-- A run that went back is told again what it has not journaled; what it will ask again is forgotten.
CREATE FUNCTION routines.retell_approvals(_rid bigint, _at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.approvals AS a
    WHERE a.rid = _rid AND a.key NOT IN (SELECT j.key FROM holdfast.journal AS j WHERE j.rid = _rid AND j.op = 9);
    PERFORM routines.tell(_rid, NULL, 9, a.key, true, a.decision, _at)
    FROM (SELECT a.key, coalesce(a.decision, ''::bytea) AS decision FROM holdfast.approvals AS a
          WHERE a.rid = _rid AND a.state NOT IN ('pending', 'withdrawn')
            AND a.key NOT IN (SELECT j.key FROM holdfast.journal AS j WHERE j.rid = _rid AND j.kind = 3 AND j.op = 9)
          ORDER BY a.decided_at, a.n) AS a;
END $$;
