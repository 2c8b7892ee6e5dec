-- name: fence
-- Whether a worker owns a run in this epoch.
SELECT 1 FROM runs WHERE rid = ? AND epoch = ? AND worker = ? AND status = 'running';

-- name: kept
-- What was done under a key.
SELECT value, fingerprint FROM holdfast_transacted WHERE key = ?;

-- name: keep
-- It is done.
INSERT INTO holdfast_transacted (key, rid, fingerprint, value) VALUES (?, ?, ?, ?);

-- name: forget
-- Nobody will ask for what these runs have done.
DELETE FROM holdfast_transacted WHERE rid IN (SELECT value FROM json_each(?));
