-- name: has_channel
-- Whether there is anybody to be told.
SELECT EXISTS (SELECT 1 FROM holdfast_documents WHERE kind = 'channel');

-- name: add
-- Add a message.
INSERT INTO holdfast_outbox (event, about, channel, at, next_at, body) VALUES (?, ?, ?, ?, ?, ?);

-- name: due
-- Messages that are due.
SELECT n, event, about, channel, body, at, next_at, tries, dead, error
FROM holdfast_outbox INDEXED BY holdfast_outbox_next
WHERE dead = 0 AND next_at <= :now ORDER BY next_at, n LIMIT :limit;

-- name: hold
-- Take a message.
UPDATE holdfast_outbox SET next_at = ?, tries = tries + 1 WHERE n = ?;

-- name: drop
-- It was sent.
DELETE FROM holdfast_outbox WHERE n = ?;

-- name: put_off
-- It is tried again later; without a time it is given up.
UPDATE holdfast_outbox SET next_at = coalesce(:next_at, next_at), dead = :next_at IS NULL, error = :error WHERE n = :n;

-- name: dead
-- Those that were given up.
SELECT n, event, about, channel, body, at, next_at, tries, dead, error
FROM holdfast_outbox INDEXED BY holdfast_outbox_dead WHERE dead = 1 AND n > :after ORDER BY n LIMIT :limit;

-- name: revive
-- Try a dead one again.
UPDATE holdfast_outbox SET dead = 0, next_at = :now, tries = 0 WHERE n = :n AND dead = 1 RETURNING n;

-- name: next
-- The earliest time of those that are not dead.
SELECT min(next_at) FROM holdfast_outbox INDEXED BY holdfast_outbox_next WHERE dead = 0;
