-- name: at_work
-- How many runs of an agent are in memory somewhere, as far as that matters.
SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_owned WHERE status = 'running' AND agent = :agent LIMIT :most);

-- name: begun
-- How many runs of an agent have begun within a period. What a clock that is far ahead has noted does not count.
SELECT count(*) FROM holdfast_starts WHERE agent = :agent AND at > :now - :period AND at <= :now + :period;

-- name: note_begin
-- A run of an agent begins.
INSERT INTO holdfast_starts (agent, at) VALUES (?, ?);

-- name: forget_begun
-- What was longer ago than the period.
DELETE FROM holdfast_starts WHERE agent = :agent AND at <= :now - :period;

-- name: oldest_begun
-- Of the newest so many that have begun within a period the oldest: when the period has passed since, another may begin.
SELECT at FROM holdfast_starts
WHERE agent = :agent AND at > :now - :period AND at <= :now + :period ORDER BY at DESC LIMIT 1 OFFSET :starts - 1;

-- name: any_to_begin
-- Whether a run of this version is ready that has never been claimed.
SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_ready
               WHERE agent = ? AND version = ? AND status = 'queued' AND held = 0 AND started_at IS NULL);

-- name: any_to_go_on
-- Whether a run of this version is ready that has been claimed before.
SELECT EXISTS (SELECT 1 FROM runs INDEXED BY runs_go_on
               WHERE agent = ? AND version = ? AND status = 'queued' AND held = 0 AND started_at IS NOT NULL);

-- name: pick_to_begin
-- As CLAIMS.pick, of runs that have never been claimed.
SELECT -priority, ready_at, rid, 1 FROM runs INDEXED BY runs_ready
WHERE agent = :agent AND version = :version AND status = 'queued' AND held = 0 AND started_at IS NULL
  AND lost BETWEEN :least_lost AND :most_lost
ORDER BY priority DESC, ready_at, rid LIMIT :limit;

-- name: pick_to_go_on
-- As CLAIMS.pick, of runs that have been claimed before.
SELECT -priority, ready_at, rid, 0 FROM runs INDEXED BY runs_go_on
WHERE agent = :agent AND version = :version AND status = 'queued' AND held = 0 AND started_at IS NOT NULL
  AND lost BETWEEN :least_lost AND :most_lost
ORDER BY priority DESC, ready_at, rid LIMIT :limit;
