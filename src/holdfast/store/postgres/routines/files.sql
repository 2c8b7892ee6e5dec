-- Files of workspaces: which a run has.

-- Say again what a run's files are made of.
CREATE FUNCTION routines.use_again(_rid bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.uses WHERE rid = _rid;
    INSERT INTO holdfast.uses (rid, digest)
    SELECT DISTINCT _rid, substring(f.chunks FROM 20 * n + 1 FOR 16)
    FROM holdfast.files AS f, generate_series(0, length(f.chunks) / 20 - 1) AS n WHERE f.rid = _rid;
END $$;

-- The run begins again with the files that it has: forget their past.
CREATE FUNCTION routines.collapse_files(_rid bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.files AS f
    WHERE f.rid = _rid AND f.seq < (SELECT max(later.seq) FROM holdfast.files AS later
                                    WHERE later.rid = _rid AND later.path = f.path);
    -- after their past has gone, which would come to light again
    DELETE FROM holdfast.files WHERE rid = _rid AND kind = 0;
    UPDATE holdfast.files SET seq = 0 WHERE rid = _rid;
    PERFORM routines.use_again(_rid);
END $$;

-- Keep contents; one that is known is only marked as wanted, and not at every turn.
CREATE FUNCTION routines.put_contents(_digests bytea[], _bodies bytea[]) RETURNS void LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    INSERT INTO holdfast.contents AS c (digest, at, body)
    SELECT g.digest, routines.now_us(), g.body FROM unnest(_digests, _bodies) AS g (digest, body) ORDER BY g.digest
    ON CONFLICT (digest) DO UPDATE SET at = excluded.at WHERE c.at < excluded.at - 3600000000;
END $$;

-- Delete contents that nobody refers to and nobody has put for long; says how many.
CREATE FUNCTION routines.sweep(_age bigint, _limit bigint) RETURNS bigint LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _gone bigint;
BEGIN
    DELETE FROM holdfast.contents
    WHERE digest = ANY (ARRAY(
        SELECT c.digest FROM holdfast.contents AS c
        WHERE c.at < routines.now_us() - _age
          AND NOT EXISTS (SELECT FROM holdfast.uses AS u WHERE u.digest = c.digest)
        ORDER BY c.at LIMIT _limit FOR UPDATE));
    GET DIAGNOSTICS _gone = ROW_COUNT;
    RETURN _gone;
END $$;
