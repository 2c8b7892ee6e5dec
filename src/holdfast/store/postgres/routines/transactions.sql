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

-- What is kept under a key, for the run's owner.
CREATE FUNCTION routines.kept(_rid bigint, _epoch bigint, _worker text, _key text)
RETURNS TABLE (value bytea, fingerprint bytea) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.check_owner(_rid, _epoch, _worker, _key, false);
    RETURN QUERY SELECT t.value, t.fingerprint FROM holdfast.transacted AS t WHERE t.key = _key;
END $$;

-- Keep a value, under the lock of the run's row, just before the commit. If another was faster, answer what it has kept: then
-- this transaction is to be rolled back.
CREATE FUNCTION routines.keep(_rid bigint, _epoch bigint, _worker text, _key text, _fingerprint bytea, _value bytea)
RETURNS TABLE (value bytea, fingerprint bytea) LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    PERFORM routines.check_owner(_rid, _epoch, _worker, _key, true);
    INSERT INTO holdfast.transacted (key, rid, fingerprint, value) VALUES (_key, _rid, _fingerprint, _value)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN QUERY SELECT t.value, t.fingerprint FROM holdfast.transacted AS t WHERE t.key = _key;
    END IF;
END $$;
