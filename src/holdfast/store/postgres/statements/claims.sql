-- name: claim
-- Become the owner of runs.
SELECT c.rid AS taken, c.deaths, c.ready_at, c.trace_before, c.trace_parent, c.mapped, (c.run).*
FROM routines.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS c;

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

-- name: next_wake
-- When the next waiting run of these versions is due, or the rate of its agent lets a queued one begin.
SELECT least(min(w.wake_at), routines.next_begin($1, $2, $3, $4, $5, $6))
FROM unnest($1::text[], $2::text[]) AS h (agent, version)
CROSS JOIN LATERAL (SELECT r.wake_at FROM holdfast.runs AS r
                    WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'waiting' AND r.wake_at IS NOT NULL
                    ORDER BY r.wake_at LIMIT 1) AS w;

-- name: demand
-- How many runs of each version are queued (to begin, and to go on), due, without a living owner, and with one. Due are also
-- those that ask something whose deadline has passed, and, of no agent, messages that nobody has sent.
SELECT found.agent, found.version, sum(to_begin)::bigint, sum(to_go_on)::bigint, sum(due)::bigint, sum(orphaned)::bigint,
       sum(at_work)::bigint
FROM (
    SELECT agent, version, count(*) FILTER (WHERE started_at IS NULL) AS to_begin,
           count(*) FILTER (WHERE started_at IS NOT NULL) AS to_go_on, 0 AS due, 0 AS orphaned, 0 AS at_work
    FROM holdfast.runs WHERE status = 'queued' AND NOT held GROUP BY agent, version
    UNION ALL
    SELECT agent, version, 0, 0, count(*), 0, 0
    FROM holdfast.runs WHERE status = 'waiting' AND wake_at IS NOT NULL AND wake_at <= $2::bigint GROUP BY agent, version
    UNION ALL
    SELECT r.agent, r.version, 0, 0, count(*), 0, 0
    FROM holdfast.approvals AS a JOIN holdfast.runs AS r ON r.rid = a.rid
    WHERE a.state = 'pending' AND a.due_at IS NOT NULL AND a.due_at <= $2::bigint GROUP BY r.agent, r.version
    UNION ALL
    SELECT '', '', 0, 0, count(*), 0, 0 FROM holdfast.outbox WHERE NOT dead AND next_at <= $2::bigint
    UNION ALL
    SELECT r.agent, r.version, 0, 0, 0, count(*) FILTER (WHERE w.id IS NULL), count(*) FILTER (WHERE w.id IS NOT NULL)
    FROM holdfast.runs AS r LEFT JOIN holdfast.workers AS w ON w.id = r.worker AND w.expires_at > routines.now_us()
    WHERE r.status = 'running' GROUP BY r.agent, r.version
) AS found
WHERE $1::text[] IS NULL OR found.agent = ANY ($1)
GROUP BY found.agent, found.version;

-- name: room
-- What is left of quotas.
SELECT agent, places, begins FROM routines.room($1, $2, $3, $4, $5);
