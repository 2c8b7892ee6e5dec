-- name: get
-- A document that has not expired.
SELECT kind, id, revision, body, expires_at FROM holdfast.documents
WHERE kind = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3);

-- name: page
-- Documents of a kind that have not expired, after an id.
SELECT kind, id, revision, body, expires_at FROM holdfast.documents
WHERE kind = $1 AND id > $2 AND (expires_at IS NULL OR expires_at > $3) ORDER BY id LIMIT $4;

-- name: put
-- Change documents, all or none.
SELECT routines.put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: sweep
-- Delete expired ones.
SELECT routines.sweep_documents($1, $2);
