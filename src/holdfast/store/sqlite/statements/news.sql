-- name: wake
-- Raise a live run's wakes; a waiting run becomes ready.
UPDATE runs SET wakes = wakes + 1,
                ready_at = CASE status WHEN 'waiting' THEN :at ELSE ready_at END,
                wake_at = CASE status WHEN 'waiting' THEN NULL ELSE wake_at END,
                status = CASE status WHEN 'waiting' THEN 'queued' ELSE status END
WHERE rid = :rid AND ended_at IS NULL
RETURNING wakes;

-- name: wake_parent
-- The same for a parent that still is what it was when the child was born.
UPDATE runs SET wakes = wakes + 1,
                ready_at = CASE status WHEN 'waiting' THEN :at ELSE ready_at END,
                wake_at = CASE status WHEN 'waiting' THEN NULL ELSE wake_at END,
                status = CASE status WHEN 'waiting' THEN 'queued' ELSE status END
WHERE rid = :rid AND generation = :generation AND ended_at IS NULL
RETURNING wakes;

-- name: parent_status
-- How a parent stands that still is what it was when the child was born.
SELECT status FROM runs WHERE rid = ? AND generation = ?;

-- name: wake_parent_by
-- Let time wake a waiting parent, at this instant at the latest.
UPDATE runs SET wake_at = min(coalesce(wake_at, :by), :by) WHERE rid = :rid AND status = 'waiting';

-- name: file
-- File news under its number.
INSERT INTO inbox (rid, wake, op, key, ok, value) VALUES (?, ?, ?, ?, ?, ?);

-- name: after
-- News of a run after a wake.
SELECT wake, op, key, ok, value FROM inbox_rows WHERE rid = ? AND wake > ? ORDER BY wake;

-- name: unseen
-- News that the run's journal does not hold.
SELECT wake, op, key, ok, value FROM inbox_rows
WHERE rid = ?1 AND wake > (SELECT seen FROM runs WHERE rid = ?1) ORDER BY wake;

-- name: forget
-- Delete news that the journal holds now.
DELETE FROM inbox WHERE rid = ? AND wake <= ?;

-- name: forget_all
-- Delete all news of a run that has ended.
DELETE FROM inbox WHERE rid = ?;

-- name: take_lasting
-- Take out what a run that begins again must still be told (cancel, promises): children it no longer knows.
DELETE FROM inbox WHERE rid = ? RETURNING wake, op, key, ok, value;

-- name: woken
-- A worker's running runs that have news.
SELECT rid, wakes FROM runs INDEXED BY runs_woken WHERE worker = ? AND status = 'running' AND wakes > seen;

-- name: group
-- A group, if its parent has one of that map.
SELECT key, total, lim, every, first_failure, done, active FROM groups WHERE rid = ? AND map = ?;

-- name: put_group
-- Insert a group or change its terms; what the store counts stays. Recorded items count: a run that went back, or a
-- fork, has some when it makes its groups again.
INSERT INTO groups (rid, map, key, total, lim, every, first_failure, done)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT count(*) FROM items WHERE rid = ?1 AND map = ?2))
ON CONFLICT (rid, map) DO UPDATE SET key = excluded.key, total = excluded.total, lim = excluded.lim,
                                     every = excluded.every, first_failure = excluded.first_failure;

-- name: count_end
-- A child of the group ended, and gave up its slot if it had one.
UPDATE groups SET done = done + 1, active = active - :slot
WHERE rid = :rid AND map = :map AND (SELECT generation FROM runs WHERE runs.rid = :rid) = :generation
RETURNING key, total, every, first_failure, done;

-- name: add_active
-- Children of the group were released.
UPDATE groups SET active = active + ? WHERE rid = ? AND map = ?;

-- name: free_slots
-- How many more children the group may release; none if it holds none back.
SELECT CASE WHEN EXISTS (SELECT 1 FROM runs INDEXED BY runs_held WHERE parent = ?1 AND map = ?2 AND held = 1)
            THEN lim - active ELSE 0 END
FROM groups WHERE rid = ?1 AND map = ?2;

-- name: release
-- Release the next held children.
UPDATE runs SET held = 0, ready_at = :at
WHERE rid IN (SELECT rid FROM runs INDEXED BY runs_held
              WHERE parent = :rid AND map = :map AND held = 1 ORDER BY ord LIMIT :slots)
RETURNING rid;

-- name: add_ending
-- A child of a group has ended and has no item yet.
INSERT INTO endings (rid, map, ord, branch, ok) VALUES (?, ?, ?, ?, ?);

-- name: drop_ending
-- Its item is recorded.
DELETE FROM endings WHERE rid = ? AND map = ? AND ord = ?;

-- name: endings
-- Ended children without an item, in the order in which they ended.
SELECT ord, branch, ok FROM endings WHERE rid = ? AND map = ? ORDER BY n;
