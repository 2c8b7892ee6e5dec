-- name: counter
-- A worker's last commit and what became of it.
SELECT commits, verdicts FROM workers WHERE id = ?;

-- name: move_counter
-- Count this commit.
UPDATE workers SET commits = ?, verdicts = ? WHERE id = ?;

-- name: fence
-- The runs of a batch that this worker owns, with their epochs.
SELECT rid, epoch, id, lost FROM runs
WHERE rid IN (SELECT value FROM json_each(?)) AND worker = ? AND status = 'running';

-- name: fence_one
-- The same for a batch of one, which most are where one run has the worker for itself.
SELECT rid, epoch, id, lost FROM runs WHERE rid = ? AND worker = ? AND status = 'running';

-- name: add_entry
-- Append to a journal.
INSERT INTO journal (rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_item
-- Record an item.
INSERT INTO items (rid, map, ord, branch, seq, at, ok, within, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_child_item
-- Record an item with what its child run ended with. No such child: NULL, which the table refuses.
INSERT INTO items (rid, map, ord, branch, seq, at, ok, within, value)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
        (SELECT coalesce(child.result, child.error) FROM runs AS child JOIN runs AS me ON me.rid = ?1
         WHERE child.parent = ?1 AND child.map = ?2 AND child.ord = ?3 AND child.parent_generation = me.generation
           AND child.ended_at IS NOT NULL));

-- name: see
-- News up to here is in the journal.
UPDATE runs SET seen = max(seen, ?) WHERE rid = ?;

-- name: tell_progress
-- What a run said of its progress.
UPDATE runs SET progress = ? WHERE rid = ?;

-- name: forgive
-- It has recorded something: it is not what killed its workers.
UPDATE runs SET lost = 0 WHERE rid = ?;

-- name: keep_trace
-- Keep the trace of an activation with it.
UPDATE activations SET trace = ? WHERE rid = ? AND epoch = ?;

-- name: suspend
-- Leave memory unless there is news.
UPDATE runs SET status = 'waiting', worker = NULL, wake_at = :wake_at, lost = 0,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = :rid AND wakes = :wakes AND seen = wakes
RETURNING rid;

-- name: pause
-- Stop until a person resumes it, unless there is something to do that comes before.
UPDATE runs SET status = CASE WHEN cancel_at IS NULL AND coalesce(:why, pause_at) IS NOT NULL THEN 'paused' ELSE 'queued' END,
                error = CASE WHEN cancel_at IS NULL AND coalesce(:why, pause_at) IS NOT NULL THEN coalesce(:why, error) END,
                worker = NULL, pause_at = NULL, ready_at = :now, lost = 0,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = :rid;

-- name: hand_back
-- Give a run back to the queue.
UPDATE runs SET status = 'queued', worker = NULL, ready_at = :now,
                entries = (SELECT count(*) FROM journal AS j WHERE j.rid = runs.rid)
WHERE rid = :rid;

-- name: drop_journal
-- Begin again: the journal.
DELETE FROM journal WHERE rid = ?;

-- name: drop_items
-- Begin again: the items.
DELETE FROM items WHERE rid = ?;

-- name: drop_groups
-- Begin again: the groups.
DELETE FROM groups WHERE rid = ?;

-- name: drop_endings
-- Begin again: ends that nobody will ask for.
DELETE FROM endings WHERE rid = ?;

-- name: drop_promises
-- Begin again: promises that were resolved and are neither carried over nor still to be told.
DELETE FROM promises
WHERE id >= :first AND id < :last AND ok IS NOT NULL
  AND key NOT IN (SELECT value FROM json_each(:carried))
  AND key NOT IN (SELECT key FROM inbox WHERE rid = :rid AND op = :promise);

-- name: renew
-- Begin again under the same id; what news is left has been filed up to the present wake. Its clock begins again too.
UPDATE runs SET agent = :agent, version = :version, digest = :digest, input = :input, generation = generation + 1,
                status = 'queued', worker = NULL, started_at = NULL, ready_at = :now, entries = :entries, lost = 0, progress = NULL,
                origin_seq = 0, seed = NULL, effects_as = NULL, seen = wakes - :unseen
WHERE rid = :rid;

-- name: wakes
-- How many wakes a run has had.
SELECT wakes FROM runs WHERE rid = ?;
