-- What people do to runs: tag, pause, retry, fork, delete.
--
-- runs         pause_at     since when the owner is asked to pause it; only while it is running
--              ended_by     the number of the entry or item that made it fail (a failed outcome nobody caught, a timeout):
--                           a retry goes back to just before it. NULL: the body failed by itself
--              origin       the run it was forked from; origin_seq: entries up to this one are copies
--              seed         what a fork's chance and ids derive from, instead of its own id and generation
--              entries      journal rows of this generation, counted whenever the run leaves its worker: a step of a running one
--                           does not touch this row
--              effects_as   what a fork's idempotency keys begin with, instead of its own id
--              parent_generation   -1: the parent has gone back to before it knew this child, and may start it again
-- tags         Words that people find runs by.
-- counters     last_rid: the highest rid that was ever deleted, so that none is used again.

ALTER TABLE runs ADD COLUMN pause_at INTEGER;
ALTER TABLE runs ADD COLUMN ended_by INTEGER;
ALTER TABLE runs ADD COLUMN origin TEXT;
ALTER TABLE runs ADD COLUMN origin_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN seed TEXT;
ALTER TABLE runs ADD COLUMN effects_as TEXT;

CREATE INDEX runs_ended ON runs (agent, status, ended_at) WHERE ended_at IS NOT NULL AND parent IS NULL;
CREATE INDEX promises_run ON promises (rid);

CREATE TABLE tags (
    rid INTEGER NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (rid, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_tag ON tags (tag);

CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

INSERT INTO counters (name, value) VALUES ('last_rid', 0);

DROP VIEW run_rows;

-- Runs as holdfast.records.run.Run has them, in the order of its fields.
CREATE VIEW run_rows AS
SELECT r.rid, r.id, r.agent, r.version, r.key,
       CASE typeof(r.input) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.input) ELSE r.input END AS input,
       r.digest, r.status, r.priority, r.root,
       r.parent, (SELECT p.id FROM runs AS p WHERE p.rid = r.parent) AS parent_id,
       r.parent_key, r.detached, r.map, r.ord, r.branch, r.held,
       r.epoch, r.worker, r.wakes, r.seen, r.wake_at, r.generation, r.lost,
       r.created_at, r.started_at, r.ended_at, r.deadline_at, r.cancel_at, r.cancel_reason,
       CASE typeof(r.result) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.result) ELSE r.result END AS result,
       CASE typeof(r.error) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.error) ELSE r.error END AS error,
       r.progress,
       CASE r.status WHEN 'running' THEN (SELECT count(*) FROM journal AS j WHERE j.rid = r.rid) ELSE r.entries END AS entries,
       r.pause_at, r.ended_by, r.origin, r.origin_seq, r.seed, r.effects_as,
       (SELECT group_concat(tag, char(10)) FROM tags WHERE tags.rid = r.rid) AS tags
FROM runs AS r;
