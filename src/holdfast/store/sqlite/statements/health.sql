-- name: quick_check
-- Whether the file is sound, without comparing indexes with their tables.
PRAGMA quick_check(5);

-- name: integrity_check
-- Whether the file is sound.
PRAGMA integrity_check(5);

-- name: workers
-- All workers, those too whose lease has ended. Heartbeats and runs are left out: a file of an older schema is looked at too.
SELECT id, host, pid, hosts, started_at, expires_at, 0, 0 FROM workers ORDER BY id;

-- name: owned
-- How many runs each owner has, whether it is alive or not.
SELECT worker, count(*) FROM runs INDEXED BY runs_owned WHERE status = 'running' GROUP BY worker;

-- name: ready
-- Runs that could be claimed, by version: how many, and since when the first.
SELECT agent, version, sum(runs), min(since)
FROM (SELECT agent, version, count(*) AS runs, min(ready_at) AS since FROM runs INDEXED BY runs_ready
      WHERE status = 'queued' AND held = 0 GROUP BY agent, version
      UNION ALL
      SELECT agent, version, count(*), min(wake_at) FROM runs INDEXED BY runs_wake
      WHERE status = 'waiting' AND wake_at <= :now GROUP BY agent, version)
GROUP BY agent, version ORDER BY agent, version;

-- name: some
-- Some runs with a status, the first made first.
SELECT id FROM runs WHERE status = ? ORDER BY rid LIMIT 5;

-- name: waiting
-- Runs that only the outside can wake, those first that have not moved for longest.
SELECT id, agent, ready_at FROM runs WHERE status = 'waiting' AND wake_at IS NULL ORDER BY ready_at LIMIT 3;

-- name: newest
-- The newest time that anything bears.
SELECT max(coalesce((SELECT at FROM journal ORDER BY id DESC LIMIT 1), 0),
           coalesce((SELECT created_at FROM runs ORDER BY rid DESC LIMIT 1), 0),
           coalesce((SELECT max(started_at) FROM workers), 0));
