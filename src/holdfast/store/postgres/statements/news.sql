-- name: after
-- News of a run after a wake.
SELECT rid, wake, op, key, ok, value FROM holdfast.inbox WHERE rid = $1 AND wake > $2 ORDER BY wake;

-- name: woken
-- A worker's running runs that have news.
SELECT rid, wakes FROM holdfast.runs WHERE worker = $1 AND status = 'running' AND wakes > seen;

-- name: endings
-- Ended children without an item, in the order in which they ended.
SELECT ord, branch, ok FROM holdfast.endings WHERE rid = $1 AND map = $2 ORDER BY n;

-- name: notify
-- Tell those who listen that something changed. Nothing of this needs to be on the disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2);

-- name: change
-- A number that changes whenever anybody has committed.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text;

-- name: tell
-- Tell those who listen what is told of runs. Nothing of this needs to be on the disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, told) FROM unnest($2::text[]) AS told;
