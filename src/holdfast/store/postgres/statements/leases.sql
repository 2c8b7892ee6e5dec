-- name: register
-- A new worker.
SELECT routines.register($1, $2, $3, $4, $5);

-- name: renew
-- Extend a lease that has not expired.
SELECT routines.renew($1, $2);

-- name: release
-- Delete a worker and queue its runs.
SELECT routines.release($1);

-- name: all
-- Workers whose lease has not expired.
SELECT id, host, pid, hosts, started_at, expires_at FROM holdfast.workers WHERE expires_at > routines.now_us() ORDER BY id;
