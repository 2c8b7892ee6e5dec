-- Documents: small records of the house, changed by compare-and-set.

-- Apply changes in the order given, which is that of kinds and ids so that nobody waits in a ring; or none of them: false, if one
-- does not find the revision that it asks for.
CREATE FUNCTION routines.put_documents(
    _kinds text[], _ids text[], _revisions bigint[], _bodies bytea[], _expiries bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    FOR _i IN 1 .. cardinality(_kinds) LOOP
        IF _revisions[_i] = 0 AND _bodies[_i] IS NULL THEN
            PERFORM WHERE NOT EXISTS (SELECT FROM holdfast.documents WHERE kind = _kinds[_i] AND id = _ids[_i]);
        ELSIF _revisions[_i] = 0 THEN
            INSERT INTO holdfast.documents (kind, id, revision, body, expires_at)
            VALUES (_kinds[_i], _ids[_i], 1, _bodies[_i], _expiries[_i])
            ON CONFLICT (kind, id) DO NOTHING;
        ELSIF _bodies[_i] IS NULL THEN
            DELETE FROM holdfast.documents WHERE kind = _kinds[_i] AND id = _ids[_i] AND revision = _revisions[_i];
        ELSE
            UPDATE holdfast.documents AS d
            SET revision = d.revision + 1, body = _bodies[_i], expires_at = _expiries[_i]
            WHERE d.kind = _kinds[_i] AND d.id = _ids[_i] AND d.revision = _revisions[_i];
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another revision' USING ERRCODE = 'HF005';
        END IF;
    END LOOP;
    RETURN true;
EXCEPTION WHEN SQLSTATE 'HF005' THEN  -- what was written in here is undone with it
    RETURN false;
END $$;

-- Change documents and say so in the audit trail, all or nothing.
CREATE FUNCTION routines.put(
    _kinds text[], _ids text[], _revisions bigint[], _bodies bytea[], _expiries bigint[],
    _at bigint[], _actor text[], _action text[], _subject text[], _run text[], _detail bytea[]
) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    IF NOT routines.put_documents(_kinds, _ids, _revisions, _bodies, _expiries) THEN
        RETURN false;
    END IF;
    PERFORM routines.note(_at, _actor, _action, _subject, _run, _detail);
    RETURN true;
END $$;

-- Delete expired ones; says how many.
CREATE FUNCTION routines.sweep_documents(_now bigint, _limit bigint) RETURNS bigint LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _count bigint;
BEGIN
    -- the array is made once: as a join, the planner may look for `_limit` of them again for each row
    DELETE FROM holdfast.documents
    WHERE ctid = ANY (ARRAY(SELECT old.ctid FROM holdfast.documents AS old WHERE old.expires_at <= _now
                            ORDER BY old.expires_at LIMIT _limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS _count = ROW_COUNT;
    RETURN _count;
END $$;
