-- name: get
-- The approval of this id.
SELECT * FROM routines.approval_rows WHERE id = $1;

-- name: find
-- Those in one state that match, in their order, from a place on; NULL matches all.
SELECT * FROM routines.find_approvals($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: find_below
-- The same among those of a run, or of a tree: a span of ids. OFFSET 0: these first, however well an index fits the order.
SELECT a.n, a.id, r.id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
       a.digest, a.body, a.created_at, a.decided_at, a.decision,
       coalesce((SELECT top.started_by FROM holdfast.runs AS top WHERE top.id = r.root), '')
FROM (SELECT * FROM holdfast.approvals AS b
      WHERE b.rid = ANY (ARRAY(SELECT c.rid FROM holdfast.runs AS c WHERE c.id BETWEEN $10::text AND $11::text))
        AND b.state = $1 OFFSET 0) AS a
JOIN holdfast.runs AS r ON r.rid = a.rid
WHERE ($2::text[] IS NULL OR a.asked = '{}' OR a.asked && $2)
  AND ($3::text IS NULL OR r.agent = $3) AND ($4::text IS NULL OR r.root = $4)
  AND a.risk >= $5::bigint AND ($6::bigint IS NULL OR a.due_at < $6)
  AND a.risk <= $7::bigint AND (a.risk < $7 OR a.n > $8::bigint)
ORDER BY a.risk DESC, a.n LIMIT $9;

-- name: count
-- How many match that are in one state.
SELECT count(*) FROM holdfast.approvals AS a JOIN holdfast.runs AS r ON r.rid = a.rid
WHERE a.state = $1
  AND ($2::text[] IS NULL OR a.asked = '{}' OR a.asked && $2)
  AND ($3::text IS NULL OR r.agent = $3) AND ($4::text IS NULL OR r.root = $4)
  AND a.risk >= $5::bigint AND ($6::bigint IS NULL OR a.due_at < $6);

-- name: count_below
-- The same among those of a run, or of a tree.
SELECT count(*) FROM holdfast.approvals AS a JOIN holdfast.runs AS r ON r.rid = a.rid
WHERE a.state = $1
  AND ($2::text[] IS NULL OR a.asked = '{}' OR a.asked && $2)
  AND ($3::text IS NULL OR r.agent = $3) AND ($4::text IS NULL OR r.root = $4)
  AND a.risk >= $5::bigint AND ($6::bigint IS NULL OR a.due_at < $6)
  AND a.rid = ANY (ARRAY(SELECT b.rid FROM holdfast.runs AS b WHERE b.id BETWEEN $7::text AND $8::text));

-- name: due
-- Pending ones whose deadline has come, the longest due first. Those of runs that were asked to cancel are over: they must not
-- stand in the way of others.
SELECT * FROM routines.approval_rows AS a
WHERE a.state = 'pending' AND a.due_at <= $1
  AND EXISTS (SELECT FROM holdfast.runs AS r WHERE r.id = a.run_id AND r.cancel_at IS NULL)
ORDER BY a.due_at, a.n LIMIT $2;

-- name: next_due
-- The earliest deadline of those that are pending.
SELECT min(due_at) FROM holdfast.approvals WHERE state = 'pending' AND due_at IS NOT NULL;

-- name: rule
-- Apply rulings and changes of documents.
SELECT routines.rule($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                     $23);

-- name: note
-- Append to the audit trail.
SELECT routines.note($1, $2, $3, $4, $5, $6);

-- name: was_noted
-- Whether all these entries are in the audit trail.
SELECT NOT EXISTS (
    SELECT FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
                AS e (at, actor, action, subject, run_id, detail)
    WHERE NOT EXISTS (SELECT FROM holdfast.audit AS a
                      WHERE a.subject = e.subject AND a.at = e.at AND a.actor = e.actor AND a.action = e.action
                        AND a.run_id = e.run_id AND a.detail = e.detail));

-- name: noted
-- The audit trail after an entry; NULL matches all.
SELECT n, at, actor, action, subject, run_id, detail FROM holdfast.audit
WHERE n > $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR actor = $3)
  AND ($4::text IS NULL OR run_id = $4)
ORDER BY n LIMIT $5;

-- name: noted_of
-- The same of one subject.
SELECT n, at, actor, action, subject, run_id, detail FROM holdfast.audit
WHERE n > $1 AND subject = $2 AND ($3::text IS NULL OR actor = $3) AND ($4::text IS NULL OR run_id = $4)
ORDER BY n LIMIT $5;
