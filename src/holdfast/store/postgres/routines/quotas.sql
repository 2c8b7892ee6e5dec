-- Quotas: how much of an agent all workers of the schema together may do.

-- What is left of the quotas: places in memory, and runs that may begin; NULL: as many as there are. What a clock that is far
-- ahead has noted does not count.
CREATE FUNCTION routines.room(
    _agents text[], _limits bigint[], _starts bigint[], _periods bigint[], _now bigint
) RETURNS TABLE (agent text, places bigint, begins bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
        SELECT q.agent,
               q.most - CASE WHEN q.most IS NOT NULL THEN (
                   SELECT count(*) FROM holdfast.runs AS r WHERE r.status = 'running' AND r.agent = q.agent) END,
               nullif(q.starts, 0) - CASE WHEN q.starts > 0 THEN (
                   SELECT count(*) FROM holdfast.starts AS s
                   WHERE s.agent = q.agent AND s.at > _now - q.period AND s.at <= _now + q.period) END
        FROM unnest(_agents, _limits, _starts, _periods) AS q (agent, most, starts, period);
END $$;

-- Claims of limited agents exclude each other until they are committed, so that what they count holds. All take these locks in
-- the same order, and before any row.
CREATE FUNCTION routines.lock_quotas(_schema text, _agents text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _one int;
BEGIN
    FOR _one IN SELECT DISTINCT hashtext(_schema || '/' || a) FROM unnest(_agents) AS a ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(7236832, _one);
    END LOOP;
END $$;

-- Remember when runs of agents with a rate begin, and forget what was longer ago than the rate's period.
CREATE FUNCTION routines.note_starts(_begun text[], _agents text[], _starts bigint[], _periods bigint[], _now bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holdfast.starts AS s USING unnest(_agents, _starts, _periods) AS q (agent, starts, period)
    WHERE q.starts > 0 AND q.agent = ANY (_begun) AND s.agent = q.agent AND s.at <= _now - q.period;
    INSERT INTO holdfast.starts (agent, at)
    SELECT q.agent, _now FROM unnest(_begun) AS b (agent)
    JOIN unnest(_agents, _starts) AS q (agent, starts) ON q.agent = b.agent AND q.starts > 0;
END $$;

-- When a run of these versions may begin that the rate of its agent holds back now: when the oldest of the newest so many
-- beginnings has left the period. NULL if none is held back.
CREATE FUNCTION routines.next_begin(
    _agents text[], _versions text[], _q_agents text[], _q_starts bigint[], _q_periods bigint[], _now bigint
) RETURNS bigint LANGUAGE plpgsql PLANNED AS $$
BEGIN
    RETURN (
        SELECT min(s.at + q.period) FROM unnest(_agents, _versions) AS h (agent, version)
        JOIN unnest(_q_agents, _q_starts, _q_periods) AS q (agent, starts, period) ON q.agent = h.agent AND q.starts > 0
        CROSS JOIN LATERAL (
            SELECT b.at FROM holdfast.starts AS b
            WHERE b.agent = q.agent AND b.at > _now - q.period AND b.at <= _now + q.period
            ORDER BY b.at DESC LIMIT 1 OFFSET q.starts - 1) AS s
        WHERE EXISTS (SELECT FROM holdfast.runs AS r
                      WHERE r.agent = h.agent AND r.version = h.version AND r.status = 'queued' AND NOT r.held
                        AND r.started_at IS NULL));
END $$;
