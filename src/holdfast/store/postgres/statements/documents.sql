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

-- name: was_put
-- Whether documents are as these changes leave them.
SELECT NOT EXISTS (
    SELECT FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[])
                AS p (kind, id, revision, body, expires_at)
    LEFT JOIN holdfast.documents AS d ON d.kind = p.kind AND d.id = p.id
    WHERE CASE WHEN p.body IS NULL THEN d.id IS NOT NULL
               ELSE (d.revision, d.body, d.expires_at) IS DISTINCT FROM (p.revision + 1, p.body, p.expires_at) END);

-- name: sweep
-- Delete expired ones.
SELECT routines.sweep_documents($1, $2);
