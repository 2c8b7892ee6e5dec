-- name: now
-- The database's own time in microseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: settings
-- What decides whether an acknowledged commit can be lost.
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'max_connections',
               'server_version');

-- name: sessions
-- How many sessions there are.
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend';

-- name: workers
-- All workers, those too whose lease has ended.
SELECT w.id, w.host, w.pid, w.hosts, w.started_at, w.expires_at, w.renewed_at,
       (SELECT count(*) FROM holdfast.runs AS r WHERE r.worker = w.id AND r.status = 'running')
FROM holdfast.workers AS w ORDER BY w.id;

-- name: owned
-- How many runs each owner has, whether it is alive or not.
SELECT worker, count(*) FROM holdfast.runs WHERE status = 'running' GROUP BY worker;

-- name: ready
-- Runs that could be claimed, by version: how many, and since when the first.
SELECT agent, version, sum(runs)::bigint, min(since)
FROM (SELECT agent, version, count(*) AS runs, min(ready_at) AS since FROM holdfast.runs
      WHERE status = 'queued' AND NOT held GROUP BY agent, version
      UNION ALL
      SELECT agent, version, count(*), min(wake_at) FROM holdfast.runs
      WHERE status = 'waiting' AND wake_at <= $1 GROUP BY agent, version) AS ready
GROUP BY agent, version ORDER BY agent, version;

-- name: some
-- Some runs with a status, the first made first.
SELECT id FROM holdfast.runs WHERE status = $1 ORDER BY rid LIMIT 5;

-- name: waiting
-- Runs that only the outside can wake, those first that have not moved for longest.
SELECT id, agent, ready_at FROM holdfast.runs WHERE status = 'waiting' AND wake_at IS NULL ORDER BY ready_at LIMIT 3;

-- name: newest
-- The newest time that anything bears.
SELECT greatest(coalesce((SELECT max(at) FROM holdfast.activations), 0),
                coalesce((SELECT created_at FROM holdfast.runs ORDER BY rid DESC LIMIT 1), 0),
                coalesce((SELECT max(started_at) FROM holdfast.workers), 0));
