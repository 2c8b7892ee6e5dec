-- name: get
-- A document that has not expired.
SELECT kind, id, revision, body, expires_at FROM holdfast_documents
WHERE kind = :kind AND id = :id AND (expires_at IS NULL OR expires_at > :now);

-- name: page
-- Documents of a kind that have not expired, after an id.
SELECT kind, id, revision, body, expires_at FROM holdfast_documents
WHERE kind = :kind AND id > :after AND (expires_at IS NULL OR expires_at > :now)
ORDER BY id LIMIT :limit;

-- name: revision
-- The revision that a document has, expired or not.
SELECT revision FROM holdfast_documents WHERE kind = ? AND id = ?;

-- name: put
-- Write a document.
INSERT INTO holdfast_documents (kind, id, revision, body, expires_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body,
                                     expires_at = excluded.expires_at;

-- name: drop
-- Delete a document.
DELETE FROM holdfast_documents WHERE kind = ? AND id = ?;

-- name: sweep
-- Delete expired ones.
DELETE FROM holdfast_documents
WHERE (kind, id) IN (SELECT kind, id FROM holdfast_documents INDEXED BY holdfast_documents_expiry
                     WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)
RETURNING 1;
