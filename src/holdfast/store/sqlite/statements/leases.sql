-- name: register
-- A new worker.
INSERT INTO workers (id, host, pid, hosts, started_at, renewed_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6);

-- name: renew
-- Extend a lease that has not expired.
UPDATE workers SET expires_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?2,
                   renewed_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE id = ?1 AND expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER)
RETURNING id;

-- name: live
-- Whether a worker's lease has not expired.
SELECT EXISTS (SELECT 1 FROM workers WHERE id = ? AND expires_at > ?);

-- name: expired
-- Workers whose lease has expired.
SELECT id FROM workers WHERE expires_at <= ?;

-- name: delete
-- A worker that is no more.
DELETE FROM workers WHERE id = ?;

-- name: hand_back
-- Give a worker's runs back to the queue.
UPDATE runs SET status = 'queued', worker = NULL, ready_at = :now,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE worker = :worker AND status = 'running';

-- name: all
-- Workers whose lease has not expired.
SELECT id, host, pid, hosts, started_at, expires_at, renewed_at,
       (SELECT count(*) FROM runs INDEXED BY runs_owned WHERE worker = workers.id AND status = 'running')
FROM workers WHERE expires_at > ? ORDER BY id;
