-- name: get
-- The run of this id.
SELECT * FROM routines.run_rows WHERE id = $1;

-- name: get_rows
-- The runs of these row numbers.
SELECT * FROM routines.run_rows WHERE rid = ANY ($1::bigint[]);

-- name: get_all
-- The runs of these ids, newest first.
SELECT * FROM routines.run_rows WHERE id = ANY ($1::text[]) ORDER BY id DESC;

-- name: stopped
-- Which of these runs have ended, or go on only if somebody resumes them.
SELECT id FROM holdfast.runs
WHERE id = ANY ($1::text[]) AND status IN ('succeeded', 'failed', 'cancelled', 'paused', 'blocked');

-- name: by_key
-- The run of this agent and idempotency key.
SELECT * FROM routines.run_rows WHERE rid = (SELECT rid FROM holdfast.runs WHERE started_as = $1 AND key = $2);

-- name: find
-- Runs that match, newest first; NULL matches all. The span of ids stands for a page, and for a tree.
SELECT * FROM routines.run_rows AS r
WHERE r.id >= $1::text AND ($2::text IS NULL OR r.id < $2) AND (NOT $3::boolean OR r.parent IS NULL)
  AND ($4::text IS NULL OR r.parent = (SELECT rid FROM holdfast.runs WHERE id = $4))
  AND ($5::text IS NULL OR r.agent = $5)
  AND ($6::text IS NULL OR r.version = $6)
  AND ($7::text[] IS NULL OR r.status = ANY ($7))
  AND ($8::text IS NULL OR r.key = $8)
  AND ($9::bigint IS NULL OR r.created_at >= $9)
  AND ($10::bigint IS NULL OR r.created_at < $10)
  AND (NOT $11::boolean OR r.error IS NOT NULL)
  AND ($12::text[] IS NULL OR $12 <@ ARRAY(SELECT t.tag::text FROM holdfast.tags AS t WHERE t.rid = r.rid))
ORDER BY r.id DESC LIMIT $13;

-- name: count
-- How many of the runs that match there are in each status.
SELECT r.status, count(*) FROM holdfast.runs AS r
WHERE r.id >= $1::text AND ($2::text IS NULL OR r.id < $2) AND (NOT $3::boolean OR r.parent IS NULL)
  AND ($4::text IS NULL OR r.parent = (SELECT rid FROM holdfast.runs WHERE id = $4))
  AND ($5::text IS NULL OR r.agent = $5)
  AND ($6::text IS NULL OR r.version = $6)
  AND ($7::text[] IS NULL OR r.status = ANY ($7))
  AND ($8::text IS NULL OR r.key = $8)
  AND ($9::bigint IS NULL OR r.created_at >= $9)
  AND ($10::bigint IS NULL OR r.created_at < $10)
  AND (NOT $11::boolean OR r.error IS NOT NULL)
  AND ($12::text[] IS NULL OR $12 <@ ARRAY(SELECT t.tag::text FROM holdfast.tags AS t WHERE t.rid = r.rid))
GROUP BY r.status;

-- name: errors
-- Status and error of the runs that match, a page by id: what an error says is known only outside the database.
SELECT r.id, r.status, r.error FROM holdfast.runs AS r
WHERE r.id >= $1::text AND ($2::text IS NULL OR r.id < $2) AND (NOT $3::boolean OR r.parent IS NULL)
  AND ($4::text IS NULL OR r.parent = (SELECT rid FROM holdfast.runs WHERE id = $4))
  AND ($5::text IS NULL OR r.agent = $5)
  AND ($6::text IS NULL OR r.version = $6)
  AND ($7::text[] IS NULL OR r.status = ANY ($7))
  AND ($8::text IS NULL OR r.key = $8)
  AND ($9::bigint IS NULL OR r.created_at >= $9)
  AND ($10::bigint IS NULL OR r.created_at < $10)
  AND (NOT $11::boolean OR r.error IS NOT NULL)
  AND ($12::text[] IS NULL OR $12 <@ ARRAY(SELECT t.tag::text FROM holdfast.tags AS t WHERE t.rid = r.rid))
ORDER BY r.id DESC LIMIT $13;

-- name: count_all
-- How many runs there are in each status.
SELECT status, count(*) FROM holdfast.runs GROUP BY status;

-- name: population
-- How many runs there are of each agent, version and status.
SELECT agent, version, status, count(*) FROM holdfast.runs GROUP BY agent, version, status ORDER BY agent, version, status;

-- name: activations
-- A run's stays in memory.
SELECT a.epoch, a.worker, a.build, a.at, a.trace
FROM holdfast.runs AS r JOIN holdfast.activations AS a ON a.rid = r.rid
WHERE r.id = $1 ORDER BY a.epoch;

-- name: start
-- Insert runs that do not exist yet.
SELECT id, fresh, digest FROM routines.start(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22);

-- name: cancel
-- Ask a run to cancel.
SELECT routines.cancel($1, $2, $3, $4, $5);

-- name: pause
-- Stop a run, or ask its owner to.
SELECT routines.pause($1, $2, $3);

-- name: resume
-- Put a stopped run back to the queue, or take back the request to pause it.
SELECT routines.resume($1);

-- name: tag
-- Add and remove tags.
SELECT routines.tag($1, $2, $3);
