-- name: schema
-- The schema of a declared promise.
SELECT schema FROM promises WHERE id = ?;

-- name: state
-- Whether a promise is resolved, and its key.
SELECT ok, key FROM promises WHERE id = ?;

-- name: declare
-- Declare a promise, which may have been resolved already.
INSERT INTO promises (id, rid, key, schema) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET key = excluded.key, schema = excluded.schema;

-- name: resolve
-- Resolve a promise, which may not have been declared yet.
INSERT INTO promises (id, rid, key, ok, value, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET ok = excluded.ok, value = excluded.value, at = excluded.at;
