-- name: take
-- Take messages that are due.
SELECT n, event, about, channel, body, at, next_at, tries, dead, error FROM routines.take_messages($1, $2, $3);

-- name: settle
-- Say what became of messages, and add others.
SELECT routines.settle_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: dead
-- Those that were given up.
SELECT n, event, about, channel, body, at, next_at, tries, dead, error FROM holdfast.outbox
WHERE dead AND n > $1 ORDER BY n LIMIT $2;

-- name: revive
-- Try a dead one again.
SELECT routines.revive_message($1, $2);

-- name: is_alive
-- Whether a message is there and not dead.
SELECT EXISTS (SELECT FROM holdfast.outbox WHERE n = $1 AND NOT dead);

-- name: next
-- The earliest time of those that are not dead.
SELECT min(next_at) FROM holdfast.outbox WHERE NOT dead;
