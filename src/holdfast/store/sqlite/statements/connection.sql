-- name: begin
-- Begin to write: wait for foreign writers here, not in the middle.
BEGIN IMMEDIATE;

-- name: begin_reading
-- Begin to read: all statements until the end see one state.
BEGIN;

-- name: commit
-- Make it durable.
COMMIT;

-- name: roll_back
-- Forget it.
ROLLBACK;

-- name: now
-- The database's own time in microseconds.
SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER);

-- name: checkpoint
-- Copy the WAL into the file as far as readers allow, without waiting for them.
PRAGMA wal_checkpoint(PASSIVE);

-- name: data_version
-- A number that changes whenever another connection has committed.
PRAGMA data_version;

-- name: schema_objects
-- How many tables and the like there are: none in a new file.
SELECT count(*) FROM sqlite_schema;

-- name: find_blob
-- The blob of this run and digest.
SELECT id FROM blobs WHERE rid = ? AND digest = ?;

-- name: insert_blob
-- Keep a large value apart.
INSERT INTO blobs (rid, digest, body) VALUES (?, ?, ?) RETURNING id;

-- name: drop_blobs
-- Delete what a run that begins again no longer refers to. Run after its other rows have gone.
DELETE FROM blobs
WHERE rid = :rid
  AND id NOT IN (SELECT value FROM inbox WHERE rid = :rid AND typeof(value) = 'integer')
  AND id NOT IN (SELECT value FROM promises WHERE id >= :first AND id < :last AND typeof(value) = 'integer');
