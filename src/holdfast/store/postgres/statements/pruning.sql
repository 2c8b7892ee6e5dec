-- name: agents
-- Agents that have runs that ended, found by skipping through the index.
WITH RECURSIVE agents (agent) AS (
    SELECT min(agent) FROM holdfast.runs WHERE ended_at IS NOT NULL AND parent IS NULL
    UNION ALL
    SELECT (SELECT min(r.agent) FROM holdfast.runs AS r
            WHERE r.ended_at IS NOT NULL AND r.parent IS NULL AND r.agent > agents.agent)
    FROM agents WHERE agents.agent IS NOT NULL
)
SELECT agent FROM agents WHERE agent IS NOT NULL;

-- name: too_old
-- Runs that ended before a time, the longest ended first, of which no descendant lives.
SELECT r.id FROM holdfast.runs AS r
WHERE r.agent = $1 AND r.status = $2 AND r.ended_at IS NOT NULL AND r.parent IS NULL AND r.ended_at < $3
  AND NOT EXISTS (SELECT FROM holdfast.runs AS d
                  WHERE d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id AND d.ended_at IS NULL)
ORDER BY r.ended_at LIMIT $4;

-- name: too_many
-- Runs beyond the newest so many that ended, of which no descendant lives.
SELECT r.id FROM holdfast.runs AS r
WHERE r.rid IN (SELECT b.rid FROM holdfast.runs AS b
                WHERE b.agent = $1 AND b.status = $2 AND b.ended_at IS NOT NULL AND b.parent IS NULL
                ORDER BY b.ended_at DESC OFFSET $3)
  AND NOT EXISTS (SELECT FROM holdfast.runs AS d
                  WHERE d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id AND d.ended_at IS NULL)
ORDER BY r.ended_at LIMIT $4;

-- name: delete
-- Delete whole trees of runs.
SELECT routines.delete_runs($1);
