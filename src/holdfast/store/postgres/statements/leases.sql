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
SELECT w.id, w.host, w.pid, w.hosts, w.started_at, w.expires_at, w.renewed_at,
       (SELECT count(*) FROM holdfast.runs AS r WHERE r.worker = w.id AND r.status = 'running')
FROM holdfast.workers AS w WHERE w.expires_at > routines.now_us() ORDER BY w.id;
