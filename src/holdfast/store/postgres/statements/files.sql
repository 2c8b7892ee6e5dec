-- name: at
-- What was at each path as of an entry, or is there now.
SELECT DISTINCT ON (path) path, seq, kind, mode, size, target, chunks FROM holdfast.files
WHERE rid = (SELECT rid FROM holdfast.runs WHERE id = $1) AND ($2::bigint IS NULL OR seq <= $2)
ORDER BY path, seq DESC;

-- name: put_contents
-- Keep contents.
SELECT routines.put_contents($1, $2);

-- name: contents
-- Contents by digest.
SELECT digest, body FROM holdfast.contents WHERE digest = ANY ($1::bytea[]);

-- name: sweep
-- Delete contents that nobody refers to and nobody has put for long.
SELECT routines.sweep($1, $2);
