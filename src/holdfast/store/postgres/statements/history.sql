-- name: live_entries
-- Runs' journals without what finished branches did.
SELECT j.rid, j.seq, j.kind, j.op, j.key, j.at, j.ok, j.guarded, j.fingerprint, j.value, j.note, j.branch
FROM holdfast.journal AS j
WHERE j.rid = ANY ($1::bigint[])
  AND (j.branch IS NULL OR NOT EXISTS (SELECT FROM holdfast.items AS i WHERE i.rid = j.rid AND i.branch = j.branch))
ORDER BY j.rid, j.seq;

-- name: entries
-- Journals of runs without maps.
SELECT j.rid, j.seq, j.kind, j.op, j.key, j.at, j.ok, j.guarded, j.fingerprint, j.value, j.note, j.branch
FROM holdfast.journal AS j WHERE j.rid = ANY ($1::bigint[]) ORDER BY j.rid, j.seq;

-- name: item_index
-- What runs' maps hold, without the values and without maps inside finished branches.
SELECT i.rid, i.map, i.ord, i.branch, i.seq, i.at, i.ok FROM holdfast.items AS i
WHERE i.rid = ANY ($1::bigint[])
  AND (i.within IS NULL
       OR NOT EXISTS (SELECT FROM holdfast.items AS o WHERE o.rid = i.rid AND o.branch = i.within))
ORDER BY i.rid, i.seq;

-- name: groups
-- Runs' groups.
SELECT rid, map, total, lim, every, first_failure, done, key FROM holdfast.groups WHERE rid = ANY ($1::bigint[]);

-- name: unseen
-- News that the runs' journals do not hold.
SELECT n.rid, n.wake, n.op, n.key, n.ok, n.value
FROM holdfast.inbox AS n JOIN holdfast.runs AS r ON r.rid = n.rid
WHERE n.rid = ANY ($1::bigint[]) AND n.wake > r.seen ORDER BY n.rid, n.wake;

-- name: page
-- A page of a run's journal.
SELECT rid, seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch FROM holdfast.journal
WHERE rid = (SELECT rid FROM holdfast.runs WHERE id = $1) AND seq > $2 ORDER BY seq LIMIT $3;

-- name: item_values
-- Values of some items.
SELECT ord, value FROM holdfast.items WHERE rid = $1 AND map = $2 AND ord = ANY ($3::bigint[]);

-- name: every_entry
-- A run's whole journal.
SELECT rid, seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch FROM holdfast.journal
WHERE rid = $1 ORDER BY seq;

-- name: every_item
-- All items of a run's maps.
SELECT map, ord, branch, seq, at, ok, value, within FROM holdfast.items WHERE rid = $1 ORDER BY seq;
