-- Going back in a run's history: retries, and children that are started again by a parent that went back. Forks and moves.
-- Kinds of entries: 1 intent, 2 attempt, 3 outcome; ops: 1 step, 2 tool, 3 child, 4 promise, 7 run (see records/journal).

-- Let a failed run go on from before what made it fail.
CREATE FUNCTION routines.retry(_id text, _at bigint) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _run record;
BEGIN
    PERFORM routines.be_durable();
    SELECT r.rid, r.ended_by INTO _run FROM holdfast.runs AS r WHERE r.id = _id AND r.status = 'failed' FOR UPDATE;
    IF NOT FOUND OR EXISTS (
        SELECT FROM holdfast.runs AS c WHERE c.parent = _run.rid AND NOT c.detached AND c.ended_at IS NULL
    ) THEN
        RETURN false;
    END IF;
    -- The parent knows how it ended, and is not told of another end.
    UPDATE holdfast.runs SET parent_generation = -1 WHERE rid = _run.rid AND parent IS NOT NULL;
    PERFORM routines.go_back(_run.rid, _run.ended_by, _at, false);
    RETURN true;
END $$;

-- Make it as if it had not ended.
CREATE FUNCTION routines.go_back(_rid bigint, _cut bigint, _at bigint, _held boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF _cut IS NOT NULL THEN
        PERFORM routines.cut(_rid, _cut);
    END IF;
    PERFORM routines.tie_up(_rid);
    DELETE FROM holdfast.endings WHERE rid = _rid;
    -- children whose end is not journaled: their parent no longer knows them
    UPDATE holdfast.runs AS c SET parent_generation = -1
    WHERE c.parent = _rid AND c.parent_generation = (SELECT p.generation FROM holdfast.runs AS p WHERE p.rid = _rid)
      AND CASE WHEN c.map IS NULL
          THEN c.parent_key NOT IN (SELECT j.key FROM holdfast.journal AS j WHERE j.rid = _rid AND j.kind = 3 AND j.op = 3)
          ELSE NOT EXISTS (SELECT FROM holdfast.items AS i WHERE i.rid = _rid AND i.map = c.map AND i.ord = c.ord) END;
    DELETE FROM holdfast.inbox WHERE rid = _rid;
    UPDATE holdfast.runs AS r
    SET status = 'queued', ready_at = _at, worker = NULL, wake_at = NULL, lost = 0, held = _held, seen = r.wakes,
        result = NULL, error = NULL, ended_at = NULL, ended_by = NULL,
        cancel_at = NULL, cancel_reason = '', cancel_error = NULL, pause_at = NULL,
        deadline_at = _at + r.deadline_at - r.created_at,
        entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = _rid)
    WHERE r.rid = _rid;
    PERFORM routines.tell(_rid, NULL, 4, p.key, p.ok, p.value, _at)
    FROM (SELECT p.key, p.ok, p.value FROM holdfast.promises AS p
          WHERE p.rid = _rid AND p.ok IS NOT NULL
            AND p.key NOT IN (SELECT j.key FROM holdfast.journal AS j WHERE j.rid = _rid AND j.kind = 3 AND j.op = 4)
          ORDER BY p.at, p.key) AS p;
    PERFORM routines.retell_approvals(_rid, _at);
END $$;

-- Delete what was recorded from this number on. A branch that failed goes back to what failed inside it.
CREATE FUNCTION routines.cut(_rid bigint, _cut bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _inside record;
BEGIN
    SELECT i.branch, max(j.seq) AS earlier INTO _inside
    FROM holdfast.items AS i
    JOIN holdfast.journal AS j ON j.rid = i.rid AND j.branch = i.branch AND j.kind = 3 AND NOT j.ok AND j.seq < i.seq
    WHERE i.rid = _rid AND i.seq = _cut
    GROUP BY i.branch;
    IF FOUND THEN
        PERFORM routines.forget_call(_rid, _inside.earlier);
        DELETE FROM holdfast.journal WHERE rid = _rid AND branch = _inside.branch AND seq >= _inside.earlier;
    END IF;
    PERFORM routines.forget_call(_rid, _cut);
    -- outcomes of effects that had begun before stay: they are not to happen twice
    DELETE FROM holdfast.items AS i
    WHERE i.rid = _rid AND i.seq >= _cut
      AND (i.seq = _cut OR i.branch NOT IN (
            SELECT j.branch FROM holdfast.journal AS j
            WHERE j.rid = _rid AND j.kind = 1 AND j.op IN (1, 2, 8) AND j.seq < _cut AND j.branch IS NOT NULL));
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.seq >= _cut
      AND (j.seq = _cut OR j.kind <> 3 OR j.op NOT IN (1, 2, 8) OR j.key NOT IN (
            SELECT b.key FROM holdfast.journal AS b WHERE b.rid = _rid AND b.kind = 1 AND b.op IN (1, 2, 8) AND b.seq < _cut));
    DELETE FROM holdfast.files WHERE rid = _rid AND seq >= _cut;
    PERFORM routines.use_again(_rid);
END $$;

-- The call of this outcome is made anew: with all its retries, and though it was to happen once.
CREATE FUNCTION routines.forget_call(_rid bigint, _seq bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.kind IN (1, 2)
      AND j.key IN (SELECT o.key FROM holdfast.journal AS o WHERE o.rid = _rid AND o.seq = _seq AND o.kind = 3);
END $$;

-- Forget children whose end is not journaled, requests to cancel them, what nobody has answered, and groups that are not
-- complete: the body asks for them again.
CREATE FUNCTION routines.tie_up(_rid bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.kind = 1 AND j.op = 7
      AND j.key NOT IN (SELECT '~cancel:' || o.key FROM holdfast.journal AS o
                        WHERE o.rid = _rid AND o.kind = 3 AND o.op = 3);
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.kind = 1 AND j.op = 3
      AND j.key NOT IN (SELECT o.key FROM holdfast.journal AS o WHERE o.rid = _rid AND o.kind = 3 AND o.op = 3);
    PERFORM routines.forget_asked(_rid);
    DELETE FROM holdfast.groups AS g
    WHERE g.rid = _rid AND (g.total IS NULL OR g.total > (
        SELECT count(*) FROM holdfast.items AS i WHERE i.rid = _rid AND i.map = g.map));
END $$;

-- A parent starts a child that exists. If the parent had gone back and forgotten it, it is the parent's again.
CREATE FUNCTION routines.adopt(_id text, _parent bigint, _map bigint, _held boolean, _at bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    _child record;
    _generation bigint := (SELECT generation FROM holdfast.runs WHERE rid = _parent);
    _ending boolean;
BEGIN
    SELECT * INTO _child FROM holdfast.runs WHERE id = _id AND parent = _parent AND parent_generation = -1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    _ending := EXISTS (SELECT FROM holdfast.runs AS c
                       WHERE c.parent = _child.rid AND NOT c.detached AND c.ended_at IS NULL);
    UPDATE holdfast.runs SET parent_generation = _generation WHERE rid = _child.rid;
    IF _child.ended_at IS NOT NULL AND (_child.status = 'succeeded' OR _ending) THEN
        PERFORM routines.tell_parent(_parent, _child.parent_key, _generation, _child.map, _child.ord, _child.branch, true,
                                     _child.status = 'succeeded', coalesce(_child.result, _child.error), _at);
        RETURN;
    ELSIF _child.ended_at IS NOT NULL THEN
        PERFORM routines.go_back(_child.rid, _child.ended_by, _at, _held);
    END IF;
    IF _map IS NOT NULL THEN
        UPDATE holdfast.groups SET active = active + CASE WHEN _held THEN 0 ELSE 1 END WHERE rid = _parent AND map = _map;
        PERFORM routines.release_children(_parent, _map, _at);
    END IF;
END $$;

-- Make a run that begins with a copy of another's journal. NULL: there is no run to fork; false: the id or key is taken.
CREATE FUNCTION routines.fork(
    _from text, _id text, _seq bigint, _version text, _at bigint, _key text, _keep_keys boolean,
    _edit_ok boolean, _edit_value bytea, _tags text[], _by text
) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _origin record;
    _rid bigint;
BEGIN
    PERFORM routines.be_durable();
    SELECT * INTO _origin FROM holdfast.runs WHERE id = _from FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Its clock is the origin's, as are chance and ids, so that the copied entries replay. It is started by whoever started the
    -- origin's tree, and by whoever forks.
    INSERT INTO holdfast.runs (id, agent, version, key, started_as, status, priority, ready_at, root, created_at, started_at,
                               deadline_at, digest, input, origin, origin_seq, seed, effects_as, started_by)
    VALUES (_id, _origin.agent, _version, _key, _origin.agent, 'queued', _origin.priority, _at, _id, _at, _origin.started_at,
            _at + _origin.deadline_at - _origin.created_at, _origin.digest, _origin.input, _from, _seq,
            coalesce(_origin.seed, _from || '/' || _origin.generation),
            CASE WHEN _keep_keys THEN coalesce(_origin.effects_as, CASE _origin.generation
                WHEN 0 THEN _from ELSE _from || '.' || _origin.generation END) END,
            coalesce((SELECT concat_ws(', ', nullif(r.started_by, ''), nullif(nullif(_by, ''), r.started_by))
                      FROM holdfast.runs AS r WHERE r.id = _origin.root), _by))
    ON CONFLICT DO NOTHING
    RETURNING rid INTO _rid;
    IF _rid IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO holdfast.journal (rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
    SELECT _rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note
    FROM holdfast.journal WHERE rid = _origin.rid AND seq <= _seq ORDER BY seq;
    INSERT INTO holdfast.items (rid, map, ord, branch, seq, at, ok, within, value)
    SELECT _rid, map, ord, branch, seq, at, ok, within, value
    FROM holdfast.items WHERE rid = _origin.rid AND seq <= _seq ORDER BY seq;
    INSERT INTO holdfast.files (rid, path, seq, kind, mode, size, target, chunks)
    SELECT _rid, path, seq, kind, mode, size, target, chunks FROM holdfast.files WHERE rid = _origin.rid AND seq <= _seq;
    INSERT INTO holdfast.uses (rid, digest) SELECT _rid, digest FROM holdfast.uses WHERE rid = _origin.rid;
    IF _edit_value IS NOT NULL THEN
        UPDATE holdfast.journal SET ok = _edit_ok, value = _edit_value WHERE rid = _rid AND seq = _seq AND kind = 3;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'entry % holds no outcome that could be changed', _seq USING ERRCODE = 'HF002';
        END IF;
    END IF;
    -- Promises that the copied entries declare, resolved if their outcome is among them.
    INSERT INTO holdfast.promises (id, rid, key, schema, ok, value, at)
    SELECT _id || '/' || p.key, _rid, p.key, p.schema, heard.ok, heard.value,
           CASE WHEN heard.key IS NOT NULL THEN p.at END
    FROM holdfast.promises AS p
    LEFT JOIN holdfast.journal AS heard ON heard.rid = _rid AND heard.kind = 3 AND heard.op = 4 AND heard.key = p.key
    WHERE p.rid = _origin.rid AND p.key IN (SELECT j.key FROM holdfast.journal AS j WHERE j.rid = _rid AND j.op = 4)
    ON CONFLICT DO NOTHING;
    -- What was begun and has no outcome yet: a fork makes those calls again.
    DELETE FROM holdfast.journal AS j
    WHERE j.rid = _rid AND j.kind IN (1, 2) AND j.op IN (1, 2, 8)
      AND j.key NOT IN (SELECT o.key FROM holdfast.journal AS o WHERE o.rid = _rid AND o.kind = 3 AND o.op IN (1, 2, 8))
      AND (j.branch IS NULL OR j.branch NOT IN (SELECT i.branch FROM holdfast.items AS i WHERE i.rid = _rid));
    PERFORM routines.tie_up(_rid);
    UPDATE holdfast.runs SET entries = (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = _rid) WHERE rid = _rid;
    INSERT INTO holdfast.tags (rid, tag) SELECT DISTINCT _rid, t FROM unnest(_tags) AS t;
    RETURN true;
END $$;

-- Go on as another version, provided that nothing has happened since it was checked.
CREATE FUNCTION routines.move(_id text, _version text, _epoch bigint, _entries bigint) RETURNS boolean
LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.runs SET version = _version, lost = 0
    WHERE id = _id AND epoch = _epoch AND entries = _entries AND status IN ('queued', 'waiting', 'paused', 'blocked');
    RETURN FOUND;
END $$;

-- Delete whole trees of runs, as far as all of a tree has ended, with everything that belongs to them. Says how many runs.
-- The ids of a tree begin with its root's.
CREATE FUNCTION routines.delete_runs(_ids text[]) RETURNS bigint LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _rids bigint[];
BEGIN
    PERFORM routines.be_durable();
    _rids := ARRAY(
        SELECT DISTINCT d.rid FROM unnest(_ids) AS wanted (id)
        JOIN holdfast.runs AS r ON r.id = wanted.id AND r.parent IS NULL AND r.ended_at IS NOT NULL
        JOIN holdfast.runs AS d ON d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id
        ORDER BY d.rid);
    -- under the lock: a retry may have begun since
    PERFORM FROM holdfast.runs AS r WHERE r.rid = ANY (_rids) ORDER BY r.rid FOR UPDATE;
    _rids := ARRAY(
        SELECT d.rid FROM holdfast.runs AS d
        WHERE d.rid = ANY (_rids)
          AND NOT EXISTS (SELECT FROM holdfast.runs AS live
                          WHERE live.id >= d.root AND live.id < d.root || '/' AND live.root = d.root
                            AND live.ended_at IS NULL));
    DELETE FROM holdfast.journal WHERE rid = ANY (_rids);
    DELETE FROM holdfast.items WHERE rid = ANY (_rids);
    DELETE FROM holdfast.promises WHERE rid = ANY (_rids);
    DELETE FROM holdfast.inbox WHERE rid = ANY (_rids);
    DELETE FROM holdfast.groups WHERE rid = ANY (_rids);
    DELETE FROM holdfast.endings WHERE rid = ANY (_rids);
    DELETE FROM holdfast.activations WHERE rid = ANY (_rids);
    DELETE FROM holdfast.tags WHERE rid = ANY (_rids);
    DELETE FROM holdfast.files WHERE rid = ANY (_rids);
    DELETE FROM holdfast.uses WHERE rid = ANY (_rids);
    DELETE FROM holdfast.transacted WHERE rid = ANY (_rids);
    DELETE FROM holdfast.approvals WHERE rid = ANY (_rids);
    DELETE FROM holdfast.runs WHERE rid = ANY (_rids);
    RETURN cardinality(_rids);
END $$;
