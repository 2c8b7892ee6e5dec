-- name: last_rid
-- The highest row number that was ever used.
SELECT max((SELECT coalesce(max(rid), 0) FROM runs), (SELECT value FROM counters WHERE name = 'last_rid'));

-- name: among_ids
-- Which of these ids exist.
SELECT id, digest FROM runs WHERE id IN (SELECT value FROM json_each(?));

-- name: among_keys
-- Which of these [agent, key] pairs exist.
SELECT r.started_as, r.key, r.id, r.digest
FROM json_each(?) AS wanted
JOIN runs AS r ON r.started_as = wanted.value ->> 0 AND r.key = wanted.value ->> 1;

-- name: parents
-- What a child needs to know of its parent, for each of these ids.
SELECT id, rid, generation, cancel_at, cancel_reason, ended_at
FROM runs WHERE id IN (SELECT value FROM json_each(?));

-- name: insert
-- A new run, queued.
INSERT INTO runs (rid, id, agent, version, key, started_as, status, priority, ready_at, root,
                  parent, parent_key, parent_generation, detached, map, ord, branch, held,
                  created_at, deadline_at, digest, input, started_by)
VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: get
-- The run of this id.
SELECT * FROM run_rows WHERE id = ?;

-- name: get_rows
-- The runs of these row numbers.
SELECT * FROM run_rows WHERE rid IN (SELECT value FROM json_each(?));

-- name: stopped
-- Which of these runs have ended, or go on only if somebody resumes them.
SELECT id FROM runs
WHERE id IN (SELECT value FROM json_each(?)) AND status IN ('succeeded', 'failed', 'cancelled', 'paused', 'blocked');

-- name: by_key
-- The run of this agent and idempotency key.
SELECT * FROM run_rows WHERE rid = (SELECT rid FROM runs WHERE started_as = ? AND key = ?);

-- name: find
-- Runs that match, newest first; NULL matches all. The span of ids stands for a page, and for a tree.
SELECT * FROM run_rows
WHERE id >= :first AND id < :last AND (:roots_only = 0 OR parent IS NULL)
  AND (:agent IS NULL OR agent = :agent)
  AND (:version IS NULL OR version = :version)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR created_at >= :since)
  AND (:until IS NULL OR created_at < :until)
  AND (:error IS NULL OR instr(error_text(error), :error) > 0)
  AND (:tags IS NULL OR NOT EXISTS (
        SELECT value FROM json_each(:tags) EXCEPT SELECT tag FROM tags WHERE tags.rid = run_rows.rid))
ORDER BY id DESC LIMIT :limit;

-- name: find_children
-- The same among one run's children.
SELECT * FROM run_rows
WHERE parent = (SELECT rid FROM runs WHERE id = :parent) AND id >= :first AND id < :last AND :roots_only = 0
  AND (:agent IS NULL OR agent = :agent)
  AND (:version IS NULL OR version = :version)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR created_at >= :since)
  AND (:until IS NULL OR created_at < :until)
  AND (:error IS NULL OR instr(error_text(error), :error) > 0)
  AND (:tags IS NULL OR NOT EXISTS (
        SELECT value FROM json_each(:tags) EXCEPT SELECT tag FROM tags WHERE tags.rid = run_rows.rid))
ORDER BY id DESC LIMIT :limit;

-- name: count
-- How many of the runs that match there are in each status.
SELECT status, count(*) FROM run_rows
WHERE id >= :first AND id < :last AND (:roots_only = 0 OR parent IS NULL)
  AND (:parent IS NULL OR parent = (SELECT rid FROM runs WHERE id = :parent))
  AND (:agent IS NULL OR agent = :agent)
  AND (:version IS NULL OR version = :version)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:key IS NULL OR key = :key)
  AND (:since IS NULL OR created_at >= :since)
  AND (:until IS NULL OR created_at < :until)
  AND (:error IS NULL OR instr(error_text(error), :error) > 0)
  AND (:tags IS NULL OR NOT EXISTS (
        SELECT value FROM json_each(:tags) EXCEPT SELECT tag FROM tags WHERE tags.rid = run_rows.rid))
GROUP BY status;

-- name: count_all
-- How many runs there are in each status.
SELECT status, count(*) FROM runs GROUP BY status;

-- name: population
-- How many runs there are of each agent, version and status.
SELECT agent, version, status, count(*) FROM runs GROUP BY agent, version, status ORDER BY agent, version, status;

-- name: activations
-- A run's stays in memory.
SELECT a.epoch, a.worker, a.build, a.at, a.trace
FROM runs AS r JOIN activations AS a ON a.rid = r.rid
WHERE r.id = ? ORDER BY a.epoch;

-- name: resume
-- Put a stopped run back to the queue, or take back the request to pause it.
UPDATE runs SET status = CASE status WHEN 'running' THEN status ELSE 'queued' END,
                ready_at = CASE status WHEN 'running' THEN ready_at ELSE :now END,
                lost = CASE status WHEN 'running' THEN lost ELSE 0 END,
                error = NULL, pause_at = NULL
WHERE id = :id AND (status IN ('blocked', 'paused') OR pause_at IS NOT NULL) RETURNING rid;

-- name: ask_to_pause
-- Remember that the owner of a run was asked to pause it.
UPDATE runs SET pause_at = :at, error = :why WHERE rid = :rid;

-- name: pause
-- Stop a run that nobody has in memory.
UPDATE runs SET status = 'paused', wake_at = NULL, pause_at = NULL, error = :why WHERE rid = :rid;

-- name: unpause
-- A paused run has something to do that comes before the pause.
UPDATE runs SET status = 'queued', ready_at = :at, error = NULL WHERE rid = :rid AND status = 'paused';

-- name: add_tag
-- Tag a run.
INSERT OR IGNORE INTO tags (rid, tag) VALUES (?, ?);

-- name: drop_tag
-- Take a tag away.
DELETE FROM tags WHERE rid = ? AND tag = ?;

-- name: standing
-- How a run stands, for whoever wants to cancel or tell it something.
SELECT rid, status, started_at, cancel_at, pause_at FROM runs WHERE id = ?;

-- name: place
-- A run's place: its parent, and whether it holds a slot of its group.
SELECT parent, parent_key, parent_generation, detached, map, ord, branch, held FROM runs WHERE rid = ?;

-- name: others
-- Whether a run that ends has children, whether anybody has told it anything, and whether it waits for people.
SELECT EXISTS (SELECT 1 FROM runs AS c INDEXED BY runs_parent WHERE c.parent = r.rid), r.wakes > 0,
       EXISTS (SELECT 1 FROM holdfast_approvals AS a INDEXED BY holdfast_approvals_run
               WHERE a.rid = r.rid AND a.state = 'pending')
FROM runs AS r WHERE r.rid = ?;

-- name: finish
-- End a run.
UPDATE runs SET status = ?2, result = ?3, error = ?4, ended_at = ?5, ended_by = ?6, worker = NULL, wake_at = NULL,
                pause_at = NULL, held = 0,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = ?1;

-- name: mark_cancel
-- Remember that a cancel was asked for; an earlier one stays.
UPDATE runs SET cancel_reason = CASE WHEN cancel_at IS NULL THEN :reason ELSE cancel_reason END,
                cancel_at = coalesce(cancel_at, :at)
WHERE rid = :rid;

-- name: end_idle_children
-- End the children (of one map, if given) that have no body to clean up with: never claimed, or blocked. Their parent
-- is past being told.
UPDATE runs SET status = 'cancelled', error = :error, ended_at = :at, held = 0,
                cancel_reason = CASE WHEN cancel_at IS NULL THEN :reason ELSE cancel_reason END,
                cancel_at = coalesce(cancel_at, :at)
WHERE parent = :parent AND detached = 0 AND (:map IS NULL OR map = :map)
  AND ((status IN ('queued', 'paused') AND started_at IS NULL) OR status = 'blocked')
RETURNING rid;

-- name: cancel_live_children
-- Ask the other children to cancel; the news is filed under the numbers returned.
UPDATE runs SET cancel_at = :at, cancel_reason = :reason, wakes = wakes + 1,
                ready_at = CASE WHEN status IN ('waiting', 'paused') THEN :at ELSE ready_at END,
                wake_at = CASE status WHEN 'waiting' THEN NULL ELSE wake_at END,
                error = CASE status WHEN 'paused' THEN NULL ELSE error END,
                status = CASE WHEN status IN ('waiting', 'paused') THEN 'queued' ELSE status END
WHERE parent = :parent AND detached = 0 AND (:map IS NULL OR map = :map) AND ended_at IS NULL AND cancel_at IS NULL
RETURNING rid, wakes;
