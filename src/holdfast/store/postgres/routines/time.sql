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

-- Wait until what was committed before is where it should be: this transaction writes, and comes after it.
CREATE FUNCTION routines.settle() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.meta SET value = value WHERE name = 'made_by';
END $$;
