-- name: schema
-- The schema of a declared promise.
SELECT schema FROM holdfast.promises WHERE id = $1;

-- name: resolve
-- Resolve a promise, which may not have been declared yet.
SELECT routines.resolve($1, $2, $3, $4, $5, $6, $7);
