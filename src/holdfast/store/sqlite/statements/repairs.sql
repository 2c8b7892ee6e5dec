-- name: failed
-- A run that can be retried: it has failed, and nothing that depends on it is still ending.
SELECT rid, ended_by FROM runs AS r
WHERE id = ? AND status = 'failed'
  AND NOT EXISTS (SELECT 1 FROM runs AS c WHERE c.parent = r.rid AND c.detached = 0 AND c.ended_at IS NULL);

-- name: leave_parent
-- The parent knows how it ended, and is not told of another end.
UPDATE runs SET parent_generation = -1 WHERE rid = ? AND parent IS NOT NULL;

-- name: call_at
-- The key of the outcome with a number.
SELECT key FROM journal WHERE rid = ? AND seq = ? AND kind = 3;

-- name: failed_inside
-- If an item's outcome has a number and the item is a branch: the branch, and the last failure inside it before that.
SELECT i.branch, max(j.seq)
FROM items AS i JOIN journal AS j ON j.rid = i.rid AND j.branch = i.branch AND j.kind = 3 AND j.ok = 0 AND j.seq < i.seq
WHERE i.rid = ? AND i.seq = ?
GROUP BY i.branch;

-- name: cut_branch
-- Go back inside one branch.
DELETE FROM journal WHERE rid = ? AND branch = ? AND seq >= ?;

-- name: cut_items
-- Go back: items, except those whose effect had begun before, and is not to happen twice.
DELETE FROM items
WHERE rid = :rid AND seq >= :cut
  AND (seq = :cut OR branch NOT IN (
        SELECT branch FROM journal WHERE rid = :rid AND kind = 1 AND op IN (1, 2, 8) AND seq < :cut AND branch IS NOT NULL));

-- name: cut_journal
-- Go back: entries, except outcomes of effects that had begun before, and are not to happen twice.
DELETE FROM journal
WHERE rid = :rid AND seq >= :cut
  AND (seq = :cut OR kind <> 3 OR op NOT IN (1, 2, 8) OR key NOT IN (
        SELECT key FROM journal WHERE rid = :rid AND kind = 1 AND op IN (1, 2, 8) AND seq < :cut));

-- name: forget_attempts
-- The attempts, and the intent, of a call that is made anew.
DELETE FROM journal WHERE rid = ? AND key = ? AND kind IN (1, 2);

-- name: forget_begun
-- What was begun and has no outcome yet: a fork makes those calls again.
DELETE FROM journal
WHERE rid = :rid AND kind IN (1, 2) AND op IN (1, 2, 8)
  AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op IN (1, 2, 8))
  AND (branch IS NULL OR branch NOT IN (SELECT branch FROM items WHERE rid = :rid));

-- name: forget_cancels
-- Requests to cancel children, or maps of children, that are started again. Run before their intents go.
DELETE FROM journal
WHERE rid = :rid AND kind = 1 AND op = 7
  AND key NOT IN (SELECT '~cancel:' || key FROM journal WHERE rid = :rid AND kind = 3 AND op = 3);

-- name: forget_children
-- Children that were started and whose end is not journaled: they are started again.
DELETE FROM journal
WHERE rid = :rid AND kind = 1 AND op = 3
  AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op = 3);

-- name: unlink_children
-- The same children, as rows: their parent no longer knows them.
UPDATE runs SET parent_generation = -1
WHERE parent = :rid AND parent_generation = (SELECT p.generation FROM runs AS p WHERE p.rid = :rid)
  AND CASE WHEN map IS NULL
      THEN parent_key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op = 3)
      ELSE NOT EXISTS (SELECT 1 FROM items AS i WHERE i.rid = :rid AND i.map = runs.map AND i.ord = runs.ord) END;

-- name: forget_groups
-- Groups of maps that are not complete: they are made again.
DELETE FROM groups
WHERE rid = :rid AND (total IS NULL OR total > (SELECT count(*) FROM items AS i WHERE i.rid = :rid AND i.map = groups.map));

-- name: unheard_promises
-- Promises that were resolved, and whose outcome is not journaled.
SELECT key, ok, value FROM promises
WHERE rid = :rid AND ok IS NOT NULL
  AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op = 4)
ORDER BY at, key;

-- name: queue_again
-- Make it as if it had not ended.
UPDATE runs SET status = 'queued', ready_at = :at, worker = NULL, wake_at = NULL, lost = 0, held = :held, seen = wakes,
                result = NULL, error = NULL, ended_at = NULL, ended_by = NULL,
                cancel_at = NULL, cancel_reason = '', pause_at = NULL,
                deadline_at = :at + deadline_at - created_at,
                entries = (SELECT count(*) FROM journal WHERE journal.rid = :rid)
WHERE rid = :rid;

-- name: unlinked
-- A child that its parent no longer knows.
SELECT rid, status, ended_by, parent_key, map, ord, branch, coalesce(result, error),
       EXISTS (SELECT 1 FROM runs AS c WHERE c.parent = r.rid AND c.detached = 0 AND c.ended_at IS NULL)
FROM runs AS r WHERE id = ? AND parent = ? AND parent_generation = -1;

-- name: link
-- Its parent knows it again.
UPDATE runs SET parent_generation = ? WHERE rid = ?;

-- name: move
-- Go on as another version, provided that nothing has happened since it was checked.
UPDATE runs SET version = :version, lost = 0
WHERE id = :id AND epoch = :epoch AND entries = :entries AND status IN ('queued', 'waiting', 'paused', 'blocked')
RETURNING rid;

-- name: origin
-- The row of the run to fork.
SELECT rid, agent FROM runs WHERE id = ?;

-- name: taken
-- Whether a fork's id, or its key, exists.
SELECT EXISTS (SELECT 1 FROM runs WHERE id = :id)
    OR (:key IS NOT NULL AND EXISTS (SELECT 1 FROM runs WHERE started_as = :agent AND key = :key));

-- name: copy_run
-- A fork's row. Its clock is the origin's, as are chance and ids, so that the copied entries replay. It is started by whoever
-- started the origin's tree, and by whoever forks.
INSERT INTO runs (rid, id, agent, version, key, started_as, status, priority, ready_at, root, generation, entries,
                  created_at, started_at, deadline_at, digest, input, origin, origin_seq, seed, effects_as, started_by)
SELECT :rid, :id, o.agent, :version, :key, o.agent, 'queued', o.priority, :at, :id, 0, 0,
       :at, o.started_at, :at + o.deadline_at - o.created_at, o.digest, o.input, o.id, :seq,
       coalesce(o.seed, o.id || '/' || o.generation),
       CASE WHEN :keep_keys
            THEN coalesce(o.effects_as, CASE o.generation WHEN 0 THEN o.id ELSE o.id || '.' || o.generation END) END,
       (SELECT concat_ws(', ', nullif(first.started_by, ''), nullif(nullif(:by, ''), first.started_by))
        FROM runs AS first WHERE first.id = o.root)
FROM runs AS o WHERE o.rid = :origin;

-- name: copy_blobs
-- The large values of what is about to be copied.
INSERT OR IGNORE INTO blobs (rid, digest, body)
SELECT :rid, b.digest, b.body FROM blobs AS b
WHERE b.id IN (SELECT input FROM runs WHERE rid = :rid AND typeof(input) = 'integer'
               UNION SELECT value FROM journal WHERE rid = :origin AND seq <= :seq AND typeof(value) = 'integer'
               UNION SELECT note FROM journal WHERE rid = :origin AND seq <= :seq AND typeof(note) = 'integer'
               UNION SELECT value FROM items WHERE rid = :origin AND seq <= :seq AND typeof(value) = 'integer'
               UNION SELECT value FROM promises WHERE rid = :origin AND typeof(value) = 'integer');

-- name: own_input
-- Let a copied row refer to its own blob.
UPDATE runs SET input = (SELECT mine.id FROM blobs AS theirs JOIN blobs AS mine
                         ON mine.rid = runs.rid AND mine.digest = theirs.digest WHERE theirs.id = runs.input)
WHERE rid = :rid AND typeof(input) = 'integer';

-- name: copy_journal
-- Entries up to a number, in their order.
INSERT INTO journal (rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint, value, note)
SELECT :rid, seq, kind, op, key, at, ok, guarded, branch, fingerprint,
       CASE typeof(value) WHEN 'integer' THEN (SELECT mine.id FROM blobs AS theirs JOIN blobs AS mine
            ON mine.rid = :rid AND mine.digest = theirs.digest WHERE theirs.id = value) ELSE value END,
       CASE typeof(note) WHEN 'integer' THEN (SELECT mine.id FROM blobs AS theirs JOIN blobs AS mine
            ON mine.rid = :rid AND mine.digest = theirs.digest WHERE theirs.id = note) ELSE note END
FROM journal WHERE rid = :origin AND seq <= :seq ORDER BY seq;

-- name: copy_items
-- Items up to a number.
INSERT INTO items (rid, map, ord, branch, seq, at, ok, within, value)
SELECT :rid, map, ord, branch, seq, at, ok, within,
       CASE typeof(value) WHEN 'integer' THEN (SELECT mine.id FROM blobs AS theirs JOIN blobs AS mine
            ON mine.rid = :rid AND mine.digest = theirs.digest WHERE theirs.id = value) ELSE value END
FROM items WHERE rid = :origin AND seq <= :seq ORDER BY seq;

-- name: copy_promises
-- Promises that the copied entries declare, resolved if their outcome is among them.
INSERT INTO promises (id, rid, key, schema, ok, value, at)
SELECT :id || '/' || p.key, :rid, p.key, p.schema, heard.ok, heard.value, CASE WHEN heard.key IS NOT NULL THEN p.at END
FROM promises AS p LEFT JOIN journal AS heard ON heard.rid = :rid AND heard.kind = 3 AND heard.op = 4 AND heard.key = p.key
WHERE p.rid = :origin AND p.key IN (SELECT key FROM journal WHERE rid = :rid AND op = 4);

-- name: edit
-- Another outcome for an entry.
UPDATE journal SET ok = :ok, value = :value WHERE rid = :rid AND seq = :seq AND kind = 3 RETURNING seq;

-- name: count_entries
-- Say in its row how many entries a fork begins with.
UPDATE runs SET entries = (SELECT count(*) FROM journal WHERE journal.rid = :rid) WHERE rid = :rid;
