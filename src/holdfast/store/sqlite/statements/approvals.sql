-- name: get
-- The approval of this id.
SELECT a.*, coalesce((SELECT top.started_by FROM runs AS top WHERE top.id = a.root), '')
FROM holdfast_approval_rows AS a WHERE a.id = ?;

-- name: find
-- Those in one state that match, in their order, from a place on. CROSS JOIN: in the order of the index, without sorting.
SELECT a.n, a.id, r.id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
       a.digest, a.body, a.created_at, a.decided_at, a.decision,
       coalesce((SELECT top.started_by FROM runs AS top WHERE top.id = r.root), '')
FROM holdfast_approvals AS a INDEXED BY holdfast_approvals_order CROSS JOIN runs AS r ON r.rid = a.rid
WHERE a.state = :state AND a.risk <= :risk AND (a.risk < :risk OR a.n > :n)
  AND (:agent IS NULL OR r.agent = :agent) AND (:root IS NULL OR r.root = :root)
  AND a.risk >= :min_risk AND (:due_before IS NULL OR a.due_at < :due_before)
  AND (:to IS NULL OR a.asked = '[]' OR EXISTS (
        SELECT 1 FROM json_each(a.asked) AS asked WHERE asked.value IN (SELECT value FROM json_each(:to))))
ORDER BY a.risk DESC, a.n LIMIT :limit;

-- name: find_below
-- The same among those of a run, or of a tree.
SELECT a.n, a.id, r.id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
       a.digest, a.body, a.created_at, a.decided_at, a.decision,
       coalesce((SELECT top.started_by FROM runs AS top WHERE top.id = r.root), '')
FROM runs AS r CROSS JOIN holdfast_approvals AS a INDEXED BY holdfast_approvals_run ON a.rid = r.rid
WHERE r.id BETWEEN :first AND :last
  AND a.state = :state AND a.risk <= :risk AND (a.risk < :risk OR a.n > :n)
  AND (:agent IS NULL OR r.agent = :agent) AND (:root IS NULL OR r.root = :root)
  AND a.risk >= :min_risk AND (:due_before IS NULL OR a.due_at < :due_before)
  AND (:to IS NULL OR a.asked = '[]' OR EXISTS (
        SELECT 1 FROM json_each(a.asked) AS asked WHERE asked.value IN (SELECT value FROM json_each(:to))))
ORDER BY a.risk DESC, a.n LIMIT :limit;

-- name: count
-- How many match that are in one state.
SELECT count(*)
FROM holdfast_approvals AS a INDEXED BY holdfast_approvals_order CROSS JOIN runs AS r ON r.rid = a.rid
WHERE a.state = :state
  AND (:agent IS NULL OR r.agent = :agent) AND (:root IS NULL OR r.root = :root)
  AND a.risk >= :min_risk AND (:due_before IS NULL OR a.due_at < :due_before)
  AND (:to IS NULL OR a.asked = '[]' OR EXISTS (
        SELECT 1 FROM json_each(a.asked) AS asked WHERE asked.value IN (SELECT value FROM json_each(:to))));

-- name: count_below
-- The same among those of a run, or of a tree.
SELECT count(*)
FROM runs AS r CROSS JOIN holdfast_approvals AS a INDEXED BY holdfast_approvals_run ON a.rid = r.rid
WHERE r.id BETWEEN :first AND :last AND a.state = :state
  AND (:agent IS NULL OR r.agent = :agent) AND (:root IS NULL OR r.root = :root)
  AND a.risk >= :min_risk AND (:due_before IS NULL OR a.due_at < :due_before)
  AND (:to IS NULL OR a.asked = '[]' OR EXISTS (
        SELECT 1 FROM json_each(a.asked) AS asked WHERE asked.value IN (SELECT value FROM json_each(:to))));

-- name: due
-- Pending ones whose deadline has come, the longest due first. Those of runs that were asked to cancel are over: they must not
-- stand in the way of others.
SELECT a.*, coalesce((SELECT top.started_by FROM runs AS top WHERE top.id = a.root), '')
FROM holdfast_approval_rows AS a
WHERE n IN (SELECT n FROM holdfast_approvals INDEXED BY holdfast_approvals_due
            WHERE state = 'pending' AND due_at <= :now
              AND EXISTS (SELECT 1 FROM runs AS r WHERE r.rid = holdfast_approvals.rid AND r.cancel_at IS NULL)
            ORDER BY due_at, n LIMIT :limit)
ORDER BY a.due_at, a.n;

-- name: next_due
-- The earliest deadline of those that are pending.
SELECT min(due_at) FROM holdfast_approvals INDEXED BY holdfast_approvals_due
WHERE state = 'pending' AND due_at IS NOT NULL;

-- name: ask
-- Ask people, unless it was asked before.
INSERT INTO holdfast_approvals (id, rid, key, state, asked, risk, due_at, digest, created_at, body)
VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING RETURNING n;

-- name: withdraw
-- A run no longer waits for one.
UPDATE holdfast_approvals SET state = 'withdrawn', revision = revision + 1, decided_at = :at
WHERE id = :id AND rid = :rid AND state = 'pending' RETURNING id;

-- name: withdraw_all
-- Runs no longer wait for any.
UPDATE holdfast_approvals SET state = 'withdrawn', revision = revision + 1, decided_at = :at
WHERE rid IN (SELECT value FROM json_each(:rids)) AND state = 'pending' RETURNING id;

-- name: standing
-- How approvals and their runs stand, for rulings.
SELECT a.id, a.rid, a.key, a.state, a.revision, r.ended_at IS NOT NULL OR r.cancel_at IS NOT NULL
FROM holdfast_approvals AS a JOIN runs AS r ON r.rid = a.rid
WHERE a.id IN (SELECT value FROM json_each(?));

-- name: change
-- Apply a ruling.
UPDATE holdfast_approvals SET state = :state, revision = revision + 1, asked = :asked, due_at = :due_at,
                              digest = :digest, body = :body, decided_at = :decided_at, decision = :decision
WHERE id = :id;

-- name: marked
-- Whether the ruling of this mark was applied.
SELECT EXISTS (SELECT 1 FROM holdfast_audit WHERE subject = ? AND mark = ?);

-- name: note
-- Append to the audit trail.
INSERT INTO holdfast_audit (at, actor, action, subject, run_id, detail, mark) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: noted
-- The audit trail after an entry.
SELECT n, at, actor, action, subject, run_id, detail FROM holdfast_audit
WHERE n > :after AND (:actor IS NULL OR actor = :actor) AND (:run_id IS NULL OR run_id = :run_id)
ORDER BY n LIMIT :limit;

-- name: noted_of
-- The same of one subject.
SELECT n, at, actor, action, subject, run_id, detail FROM holdfast_audit INDEXED BY holdfast_audit_subject
WHERE subject = :subject AND n > :after
  AND (:actor IS NULL OR actor = :actor) AND (:run_id IS NULL OR run_id = :run_id)
ORDER BY n LIMIT :limit;

-- name: forget_asked
-- What was asked and has no answer: a run that went back, or a fork, asks again. Run after the outcomes are cut.
DELETE FROM journal
WHERE rid = :rid AND kind IN (1, 2) AND op = 9
  AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op = 9)
  AND key NOT IN (SELECT key FROM holdfast_approvals
                  WHERE rid = :rid AND state NOT IN ('pending', 'withdrawn'));

-- name: forget_unasked
-- Approvals that a run that went back does not know any more.
DELETE FROM holdfast_approvals
WHERE rid = :rid AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND op = 9);

-- name: unheard
-- Approvals that were decided, and whose outcome is not journaled.
SELECT key, coalesce(decision, x'') FROM holdfast_approvals
WHERE rid = :rid AND state NOT IN ('pending', 'withdrawn')
  AND key NOT IN (SELECT key FROM journal WHERE rid = :rid AND kind = 3 AND op = 9)
ORDER BY decided_at, n;

-- name: drop
-- Delete those of runs.
DELETE FROM holdfast_approvals WHERE rid IN (SELECT value FROM json_each(?));
