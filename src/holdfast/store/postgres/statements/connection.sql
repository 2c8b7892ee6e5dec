-- name: server
-- What server this is, as far as it decides whether and how it can be used.
SELECT current_setting('server_version_num')::int AS version, pg_backend_pid() AS pid,
       pg_is_in_recovery() AS standby, current_database() AS database;

-- name: standing
-- Whether the schema exists, whether it is ours, and what else is in it.
SELECT to_regnamespace($1) IS NOT NULL AS exists, to_regclass($1 || '.meta') IS NOT NULL AS ours,
       (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'v', 'p')) AS tables;

-- name: meta
-- How far the schema has come, and which routines are installed.
SELECT name, value FROM holdfast.meta;

-- name: set_meta
-- Say so.
INSERT INTO holdfast.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: lock_migrations
-- One process at a time brings the schema up; the lock ends with the transaction, so that a pooler does not mind.
SELECT pg_advisory_xact_lock(7236831, hashtext($1));

-- name: begin
-- A transaction of several statements, whatever the role or the database has been set to: each sees what it has waited for.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: begin_reading
-- Begin to read: all statements until the end see one state.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: commit
-- Make it durable.
COMMIT;

-- name: roll_back
-- Forget it.
ROLLBACK;

-- name: begin_work
-- A transaction that runs code of users', whatever the role or the database has been set to.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

-- name: discard
-- Forget what users' code has left in the session: settings, temporary tables, locks.
DISCARD ALL;

-- name: settle
-- Write something, so that the answer waits until all that was committed before is on the disk, and on the standby.
SELECT routines.settle();
