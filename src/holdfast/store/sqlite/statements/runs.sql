-- name: last_rid
-- The highest row number in use.
SELECT coalesce(max(rid), 0) FROM runs;

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
                  created_at, deadline_at, digest, input)
VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: get
-- The run of this id.
SELECT * FROM run_rows WHERE id = ?;

-- name: get_row
-- The run of this row number.
SELECT * FROM run_rows WHERE rid = ?;

-- name: by_key
-- The run of this agent and idempotency key.
SELECT * FROM run_rows WHERE rid = (SELECT rid FROM runs WHERE started_as = ? AND key = ?);

-- name: find
-- Runs that match, newest first; NULL matches all.
SELECT * FROM run_rows
WHERE (:agent IS NULL OR agent = :agent)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:roots_only = 0 OR parent IS NULL)
  AND (:key IS NULL OR key = :key)
  AND (:before IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit;

-- name: find_children
-- The same among one run's children.
SELECT * FROM run_rows
WHERE parent = (SELECT rid FROM runs WHERE id = :parent)
  AND (:agent IS NULL OR agent = :agent)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND :roots_only = 0
  AND (:key IS NULL OR key = :key)
  AND (:before IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit;

-- name: count
-- How many runs there are in each status.
SELECT status, count(*) FROM runs GROUP BY status;

-- name: activations
-- A run's stays in memory.
SELECT a.epoch, a.worker, a.build, a.at
FROM runs AS r JOIN activations AS a ON a.rid = r.rid
WHERE r.id = ? ORDER BY a.epoch;

-- name: resume
-- Put a blocked run back to the queue.
UPDATE runs SET status = 'queued', ready_at = :now, lost = 0, error = NULL
WHERE id = :id AND status = 'blocked' RETURNING rid;

-- name: standing
-- How a run stands, for whoever wants to cancel or tell it something.
SELECT rid, status, started_at, cancel_at FROM runs WHERE id = ?;

-- name: place
-- A run's place: its parent, and whether it holds a slot of its group.
SELECT parent, parent_key, parent_generation, detached, map, ord, branch, held FROM runs WHERE rid = ?;

-- name: finish
-- End a run.
UPDATE runs SET status = ?2, result = ?3, error = ?4, ended_at = ?5, worker = NULL, wake_at = NULL, held = 0
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
  AND ((status = 'queued' AND started_at IS NULL) OR status = 'blocked')
RETURNING rid;

-- name: cancel_live_children
-- Ask the other children to cancel; the news is filed under the numbers returned.
UPDATE runs SET cancel_at = :at, cancel_reason = :reason, wakes = wakes + 1,
                ready_at = CASE status WHEN 'waiting' THEN :at ELSE ready_at END,
                wake_at = CASE status WHEN 'waiting' THEN NULL ELSE wake_at END,
                status = CASE status WHEN 'waiting' THEN 'queued' ELSE status END
WHERE parent = :parent AND detached = 0 AND (:map IS NULL OR map = :map) AND ended_at IS NULL AND cancel_at IS NULL
RETURNING rid, wakes;
