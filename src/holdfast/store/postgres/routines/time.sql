-- What every routine needs.

-- The database's own time in microseconds.
CREATE FUNCTION routines.now_us() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Whatever the role or the database has been set to: this transaction is on the disk, and on a synchronous standby if there
-- is one, before it is acknowledged.
CREATE FUNCTION routines.be_durable() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END $$;

-- This transaction is on the disk before it is acknowledged, but waits for no standby: for what may be forgotten by a fail-over,
-- since whatever was acknowledged later has brought it along. It holds rows that a lease is renewed in no longer than that.
CREATE FUNCTION routines.be_kept_here() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true);
END $$;

-- Wait until what was committed before is where it should be: this transaction writes, and comes after it.
CREATE FUNCTION routines.settle() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.meta SET value = value WHERE name = 'made_by';
END $$;
