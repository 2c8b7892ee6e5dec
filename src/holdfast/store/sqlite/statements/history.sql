-- name: live_entries
-- A run's journal without what finished branches did.
SELECT seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch FROM journal_rows
WHERE rid = ?1 AND (branch IS NULL OR branch NOT IN (SELECT i.branch FROM items AS i WHERE i.rid = ?1))
ORDER BY seq;

-- name: page
-- A page of a run's journal.
SELECT seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch FROM journal_rows
WHERE rid = (SELECT rid FROM runs WHERE id = ?) AND seq > ? ORDER BY seq LIMIT ?;

-- name: item_index
-- What a run's maps hold, without the values and without maps inside finished branches.
SELECT rid, map, ord, branch, seq, at, ok FROM items INDEXED BY items_map
WHERE rid = ?1 AND (within IS NULL OR within NOT IN (SELECT i.branch FROM items AS i WHERE i.rid = ?1))
ORDER BY seq;

-- name: item_values
-- Values of some items.
SELECT ord, value FROM item_rows WHERE rid = ? AND map = ? AND ord IN (SELECT value FROM json_each(?));

-- name: groups
-- A run's groups.
SELECT map, total, lim, every, first_failure, done, key FROM groups WHERE rid = ?;

-- name: every_entry
-- A run's whole journal.
SELECT seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch FROM journal_rows WHERE rid = ? ORDER BY seq;

-- name: every_item
-- All items of a run's maps.
SELECT map, ord, branch, seq, at, ok,
       CASE typeof(value) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = items.value) ELSE value END, within
FROM items WHERE rid = ? ORDER BY seq;
