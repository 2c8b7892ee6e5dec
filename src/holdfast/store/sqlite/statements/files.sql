-- name: put
-- Record what is at a path now. A second word on it under one number (items recorded together) replaces the first.
INSERT INTO files (rid, path, seq, kind, mode, size, target, chunks) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET kind = excluded.kind, mode = excluded.mode, size = excluded.size, target = excluded.target,
                          chunks = excluded.chunks;

-- name: use
-- Say that a run refers to a content.
INSERT INTO uses (rid, digest) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: at
-- What was at each path as of an entry, or is there now. (Of a bare column beside max(), SQLite takes the row of the maximum.)
SELECT path, max(seq), kind, mode, size, target, chunks FROM files
WHERE rid = (SELECT rid FROM runs WHERE id = ?1) AND (?2 IS NULL OR seq <= ?2)
GROUP BY path ORDER BY path;

-- name: put_content
-- Keep a content; one that is known is only marked as wanted, and not at every turn.
INSERT INTO contents (digest, at, body) VALUES (?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET at = excluded.at WHERE at < excluded.at - 3600000000;

-- name: contents
-- Contents by digest.
SELECT digest, body FROM contents WHERE digest IN (SELECT unhex(value) FROM json_each(?));

-- name: sweep
-- Delete contents that nobody refers to and nobody has put for long.
DELETE FROM contents
WHERE id IN (
    SELECT id FROM contents AS c
    WHERE c.at < :before AND NOT EXISTS (SELECT 1 FROM uses WHERE uses.digest = c.digest)
    ORDER BY c.at LIMIT :limit
)
RETURNING id;

-- name: drop_older
-- Begin again: what was at a path before what is there now.
DELETE FROM files
WHERE rid = ?1 AND seq < (SELECT max(later.seq) FROM files AS later WHERE later.rid = ?1 AND later.path = files.path);

-- name: drop_gone
-- Begin again: paths at which nothing is. Run after their past has gone, which would come to light again.
DELETE FROM files WHERE rid = ? AND kind = 0;

-- name: renumber
-- Begin again: what is there now was there from the beginning.
UPDATE files SET seq = 0 WHERE rid = ?;

-- name: chunks
-- What a run's files are made of.
SELECT chunks FROM files WHERE rid = ?;

-- name: drop_uses
-- Forget what a run referred to, before it is said again.
DELETE FROM uses WHERE rid = ?;

-- name: cut
-- Delete what was recorded with a number or after it.
DELETE FROM files WHERE rid = ? AND seq >= ?;

-- name: copy
-- Give another run the files as of an entry, with their past.
INSERT INTO files (rid, path, seq, kind, mode, size, target, chunks)
SELECT :to, path, seq, kind, mode, size, target, chunks FROM files WHERE rid = :from AND seq <= :seq;

-- name: copy_uses
-- What those may refer to.
INSERT INTO uses (rid, digest) SELECT :to, digest FROM uses WHERE rid = :from;

-- name: forget
-- Delete the files of runs.
DELETE FROM files WHERE rid IN (SELECT value FROM json_each(?));

-- name: forget_uses
-- Delete what runs refer to.
DELETE FROM uses WHERE rid IN (SELECT value FROM json_each(?));
