-- name: ownerless
-- Owners of runs without a lease. Owners are enumerated by skipping through the index, not by reading all of it.
WITH RECURSIVE owners (worker) AS (
    SELECT min(worker) FROM runs INDEXED BY runs_owned WHERE status = 'running'
    UNION ALL
    SELECT (SELECT min(r.worker) FROM runs AS r INDEXED BY runs_owned WHERE r.status = 'running' AND r.worker > owners.worker)
    FROM owners WHERE owners.worker IS NOT NULL
)
SELECT worker FROM owners
WHERE worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = owners.worker AND expires_at > :now);

-- name: any_ready
-- Whether a run of this version is ready.
SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_ready
               WHERE agent = ? AND version = ? AND status = 'queued' AND held = 0);

-- name: any_due
-- Whether a run of this version is due.
SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_wake
               WHERE agent = ? AND version = ? AND status = 'waiting' AND wake_at <= ?);

-- name: lose
-- Take a lost worker's runs from it.
UPDATE runs SET status = 'queued', worker = NULL, lost = lost + 1, ready_at = :now,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE worker = :worker AND status = 'running'
RETURNING rid, id, lost;

-- name: block
-- Stop a run until a person resumes it.
UPDATE runs SET status = 'blocked', worker = NULL, wake_at = NULL, error = ?,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = ?;

-- name: make_ready
-- Queue what time has woken.
UPDATE runs INDEXED BY runs_wake SET status = 'queued', ready_at = wake_at, wake_at = NULL
WHERE agent = :agent AND version = :version AND status = 'waiting' AND wake_at <= :now;

-- name: pick
-- The next ready runs of one version, among those with no more losses than `most_lost` and no fewer than `least_lost`.
SELECT -priority, ready_at, rid, started_at IS NULL FROM runs INDEXED BY runs_ready
WHERE agent = :agent AND version = :version AND status = 'queued' AND held = 0
  AND lost BETWEEN :least_lost AND :most_lost
ORDER BY priority DESC, ready_at, rid LIMIT :limit;

-- name: holds_suspect
-- Whether a worker owns a run that was lost so often that the next loss blocks it.
SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_owned WHERE worker = ? AND status = 'running' AND lost >= ?);

-- name: held_by
-- How many runs of each agent a worker has.
SELECT agent, count(*) FROM runs INDEXED BY runs_owned WHERE worker = ? AND status = 'running' GROUP BY agent;

-- name: demand
-- How many runs of each version are queued (to begin, and to go on), due, without a living owner, and with one. Due are also
-- those that ask something whose deadline has passed, and, of no agent, messages that nobody has sent.
SELECT agent, version, sum(to_begin), sum(to_go_on), sum(due), sum(orphaned), sum(at_work)
FROM (
    SELECT agent, version, sum(started_at IS NULL) AS to_begin, sum(started_at IS NOT NULL) AS to_go_on, 0 AS due,
           0 AS orphaned, 0 AS at_work
    FROM runs INDEXED BY runs_ready WHERE status = 'queued' AND held = 0 GROUP BY agent, version
    UNION ALL
    SELECT agent, version, 0, 0, count(*), 0, 0
    FROM runs INDEXED BY runs_wake WHERE status = 'waiting' AND wake_at IS NOT NULL AND wake_at <= :now
    GROUP BY agent, version
    UNION ALL
    SELECT r.agent, r.version, 0, 0, count(*), 0, 0
    FROM holdfast_approvals AS a JOIN runs AS r ON r.rid = a.rid
    WHERE a.state = 'pending' AND a.due_at IS NOT NULL AND a.due_at <= :now GROUP BY r.agent, r.version
    UNION ALL
    SELECT '', '', 0, 0, count(*), 0, 0 FROM holdfast_outbox WHERE dead = 0 AND next_at <= :now
    UNION ALL
    SELECT r.agent, r.version, 0, 0, 0, sum(w.id IS NULL), sum(w.id IS NOT NULL)
    FROM runs AS r INDEXED BY runs_owned LEFT JOIN workers AS w ON w.id = r.worker AND w.expires_at > :database_now
    WHERE r.status = 'running' GROUP BY r.agent, r.version
)
WHERE :agents IS NULL OR agent IN (SELECT value FROM json_each(:agents))
GROUP BY agent, version;

-- name: take
-- Become a run's owner.
UPDATE runs SET status = 'running', worker = :worker, epoch = epoch + 1, started_at = coalesce(started_at, :now)
WHERE rid = :rid;

-- name: add_activation
-- Remember who hosted it.
INSERT INTO activations (rid, epoch, worker, build, at) SELECT rid, epoch, worker, ?2, ?3 FROM runs WHERE rid = ?1;

-- name: context
-- Since when claimed runs were ready, and the traces of the activations before: a few back, for one that was lost before
-- it wrote anything has none. The one that has just begun has none either.
SELECT r.rid, r.ready_at,
       (SELECT a.trace FROM activations AS a
        WHERE a.rid = r.rid AND a.epoch > r.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1),
       (SELECT a.trace FROM runs AS p JOIN activations AS a ON a.rid = p.rid
        WHERE p.rid = r.parent AND a.epoch > p.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1)
FROM runs AS r WHERE r.rid IN (SELECT value FROM json_each(?));

-- name: untake
-- Give up a run that was claimed but could not be read.
UPDATE runs SET status = 'queued', worker = NULL,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = ? AND worker = ? AND status = 'running';

-- name: next_wake
-- When the next waiting run of a version is due.
SELECT min(wake_at) FROM runs INDEXED BY runs_wake
WHERE agent = ? AND version = ? AND status = 'waiting' AND wake_at IS NOT NULL;
