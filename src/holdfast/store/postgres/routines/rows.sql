-- Rows as records have them.

-- Runs as holdfast.records.run.Run has them, in the order of its fields.
CREATE VIEW routines.run_rows AS
SELECT r.rid, r.id, r.agent, r.version, r.key, r.input, r.digest, r.status, r.priority, r.root,
       r.parent, (SELECT p.id FROM holdfast.runs AS p WHERE p.rid = r.parent) AS parent_id,
       r.parent_key, r.detached, r.map, r.ord, r.branch, r.held,
       r.epoch, r.worker, r.wakes, r.seen, r.wake_at, r.generation, r.lost,
       r.created_at, r.started_at, r.ended_at, r.deadline_at, r.cancel_at, r.cancel_reason,
       r.result, r.error, r.progress,
       CASE r.status WHEN 'running' THEN (SELECT count(*) FROM holdfast.journal AS j WHERE j.rid = r.rid)
                     ELSE r.entries END AS entries,
       r.pause_at, r.ended_by, r.origin, r.origin_seq, r.seed, r.effects_as,
       ARRAY(SELECT t.tag::text FROM holdfast.tags AS t WHERE t.rid = r.rid ORDER BY t.tag) AS tags
FROM holdfast.runs AS r;

-- Where a run that has ended is awaited: it is the n-th of those that end.
CREATE TYPE routines.place AS (
    n bigint, parent bigint, key text, generation bigint, map bigint, ord bigint, branch bigint, held boolean
);
