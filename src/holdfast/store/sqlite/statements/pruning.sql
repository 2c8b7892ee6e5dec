-- name: agents
-- Agents that have runs that ended, found by skipping through the index.
WITH RECURSIVE agents (agent) AS (
    SELECT min(agent) FROM runs INDEXED BY runs_ended WHERE ended_at IS NOT NULL AND parent IS NULL
    UNION ALL
    SELECT (SELECT min(r.agent) FROM runs AS r INDEXED BY runs_ended
            WHERE r.ended_at IS NOT NULL AND r.parent IS NULL AND r.agent > agents.agent)
    FROM agents WHERE agents.agent IS NOT NULL
)
SELECT agent FROM agents WHERE agent IS NOT NULL;

-- name: too_old
-- Runs that ended before a time, the longest ended first, of which no descendant lives.
SELECT r.id FROM runs AS r INDEXED BY runs_ended
WHERE r.agent = :agent AND r.status = :status AND r.ended_at IS NOT NULL AND r.parent IS NULL AND r.ended_at < :before
  AND NOT EXISTS (SELECT 1 FROM runs AS d
                  WHERE d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id AND d.ended_at IS NULL)
ORDER BY r.ended_at LIMIT :limit;

-- name: too_many
-- Runs beyond the newest so many that ended, of which no descendant lives.
SELECT r.id FROM runs AS r
WHERE r.rid IN (SELECT rid FROM runs INDEXED BY runs_ended
                WHERE agent = :agent AND status = :status AND ended_at IS NOT NULL AND parent IS NULL
                ORDER BY ended_at DESC LIMIT -1 OFFSET :count)
  AND NOT EXISTS (SELECT 1 FROM runs AS d
                  WHERE d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id AND d.ended_at IS NULL)
ORDER BY r.ended_at LIMIT :limit;

-- name: trees
-- All rows of the trees of these runs, as far as all of a tree has ended.
SELECT d.rid FROM json_each(:ids) AS wanted
JOIN runs AS r ON r.id = wanted.value AND r.parent IS NULL AND r.ended_at IS NOT NULL
JOIN runs AS d ON d.id >= r.id AND d.id < r.id || '/' AND d.root = r.id
WHERE NOT EXISTS (SELECT 1 FROM runs AS live
                  WHERE live.id >= r.id AND live.id < r.id || '/' AND live.root = r.id AND live.ended_at IS NULL);

-- name: remember_rids
-- No row number is used twice.
UPDATE counters SET value = max(value, (SELECT max(rid) FROM runs)) WHERE name = 'last_rid';

-- name: drop_journals
-- Delete: journals.
DELETE FROM journal WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_items
-- Delete: items.
DELETE FROM items WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_promises
-- Delete: promises.
DELETE FROM promises WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_inboxes
-- Delete: news.
DELETE FROM inbox WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_groups
-- Delete: groups.
DELETE FROM groups WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_endings
-- Delete: ends of children.
DELETE FROM endings WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_activations
-- Delete: activations.
DELETE FROM activations WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_tags
-- Delete: tags.
DELETE FROM tags WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_blobs
-- Delete: large values.
DELETE FROM blobs WHERE rid IN (SELECT value FROM json_each(?));

-- name: drop_runs
-- Delete: the runs themselves.
DELETE FROM runs WHERE rid IN (SELECT value FROM json_each(?));

-- name: give_back
-- Give free pages back to the disk, as many as take no noticeable time.
PRAGMA incremental_vacuum(2000);
