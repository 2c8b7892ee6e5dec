-- Users' own rows: their transaction keeps what it was for.

-- Whether a worker owns a run in this epoch; else an error. `_locked`: nobody takes it until the transaction ends.
CREATE FUNCTION routines.check_owner(_rid bigint, _epoch bigint, _worker text, _key text, _locked boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF _locked THEN
        PERFORM FROM holdfast.runs AS r WHERE r.rid = _rid FOR UPDATE;
    END IF;
    IF NOT EXISTS (SELECT FROM holdfast.runs AS r
                   WHERE r.rid = _rid AND r.epoch = _epoch AND r.worker = _worker AND r.status = 'running') THEN
        RAISE EXCEPTION 'worker % does not own the run of % any more: nothing was done', _worker, _key
            USING ERRCODE = 'HF001';
    END IF;
END $$;

-- How many rows of Holdfast's own tables this session has written, in this transaction and in those before it that the server
-- has not added to its statistics yet. Nothing is counted if `track_counts` is off.
CREATE FUNCTION routines.own_writes() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT sum(pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
               + pg_stat_get_xact_tuples_deleted(c.oid))::bigint
    FROM pg_class AS c
    WHERE c.relnamespace = (SELECT m.relnamespace FROM pg_class AS m WHERE m.oid = (SELECT tableoid FROM holdfast.meta LIMIT 1))
      AND c.relname IN ('activations', 'approvals', 'audit', 'batches', 'contents', 'documents', 'endings', 'files',
                        'groups', 'inbox', 'items', 'journal', 'meta', 'outbox', 'promises', 'runs', 'starts', 'tags',
                        'transacted', 'uses', 'workers')
$$;

-- What is kept under a key, for the run's owner. Remembers until the end of the transaction what had been written before.
CREATE FUNCTION routines.kept(_rid bigint, _epoch bigint, _worker text, _key text)
RETURNS TABLE (value bytea, fingerprint bytea) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.check_owner(_rid, _epoch, _worker, _key, false);
    PERFORM set_config('hf.own_writes', routines.own_writes()::text, true);
    RETURN QUERY SELECT t.value, t.fingerprint FROM holdfast.transacted AS t WHERE t.key = _key;
END $$;

-- Keep a value, under the lock of the run's row, just before the commit; unless users' code has written what is not its own.
-- If another was faster, answer what it has kept: then this transaction is to be rolled back.
CREATE FUNCTION routines.keep(_rid bigint, _epoch bigint, _worker text, _key text, _fingerprint bytea, _value bytea)
RETURNS TABLE (value bytea, fingerprint bytea) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    IF routines.own_writes() <> current_setting('hf.own_writes')::bigint THEN
        RAISE EXCEPTION '%: a transactional step may read Holdfast''s own tables, not write them: nothing was committed', _key
            USING ERRCODE = 'HF005';
    END IF;
    PERFORM routines.check_owner(_rid, _epoch, _worker, _key, true);
    INSERT INTO holdfast.transacted (key, rid, fingerprint, value) VALUES (_key, _rid, _fingerprint, _value)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN QUERY SELECT t.value, t.fingerprint FROM holdfast.transacted AS t WHERE t.key = _key;
    END IF;
END $$;
