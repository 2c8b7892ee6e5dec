-- name: claim
-- Become the owner of runs.
SELECT rid, deaths FROM routines.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: claims
-- The number of a worker's last claim.
SELECT claims FROM holdfast.workers WHERE id = $1;

-- name: estate
-- The dead, and their runs that would be blocked by being taken over.
SELECT worker, rid, id, lost FROM routines.estate();

-- name: take_over
-- Take the runs of the dead.
SELECT routines.take_over($1, $2, $3);

-- name: give_up
-- Queue the runs of a claim again that nobody was told of.
SELECT routines.give_up($1, $2);

-- name: block_unreadable
-- Stop runs whose rows cannot be read.
SELECT routines.block_unreadable($1, $2, $3);

-- name: context
-- Since when claimed runs were ready, and the traces of the activations before: a few back, for one that was lost before
-- it wrote anything has none. The one that has just begun has none either.
SELECT r.rid, r.ready_at,
       (SELECT a.trace FROM holdfast.activations AS a
        WHERE a.rid = r.rid AND a.epoch > r.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1),
       (SELECT a.trace FROM holdfast.runs AS p JOIN holdfast.activations AS a ON a.rid = p.rid
        WHERE p.rid = r.parent AND a.epoch > p.epoch - 8 AND a.trace IS NOT NULL ORDER BY a.epoch DESC LIMIT 1)
FROM holdfast.runs AS r WHERE r.rid = ANY ($1::bigint[]);

-- name: next_wake
-- When the next waiting run of these versions is due, or the rate of its agent lets a queued one begin.
SELECT least(min(w.wake_at), routines.next_begin($1, $2, $3, $4, $5, $6))
FROM unnest($1::text[], $2::text[]) AS h (agent, version)
CROSS JOIN LATERAL (SELECT r.wake_at FROM holdfast.runs AS r
                    WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'waiting' AND r.wake_at IS NOT NULL
                    ORDER BY r.wake_at LIMIT 1) AS w;

-- name: demand
-- How many runs are queued, due, without a living owner, and with one.
SELECT (SELECT count(*) FROM holdfast.runs AS r
        WHERE r.status = 'queued' AND NOT r.held AND ($1::text[] IS NULL OR r.agent = ANY ($1))),
       (SELECT count(*) FROM holdfast.runs AS r
        WHERE r.status = 'waiting' AND r.wake_at IS NOT NULL AND r.wake_at <= $2::bigint
          AND ($1::text[] IS NULL OR r.agent = ANY ($1))),
       count(*) FILTER (WHERE NOT owned.lives), count(*) FILTER (WHERE owned.lives)
FROM (SELECT EXISTS (SELECT FROM holdfast.workers AS w WHERE w.id = r.worker AND w.expires_at > routines.now_us()) AS lives
      FROM holdfast.runs AS r WHERE r.status = 'running' AND ($1::text[] IS NULL OR r.agent = ANY ($1))) AS owned;
