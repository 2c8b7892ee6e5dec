-- How much of an agent all workers together may do, and how workers are.
--
-- workers           renewed_at   when the lease was renewed last, by the database's time; 0 where an older worker renews it
-- holdfast_starts   When runs of an agent have begun, of agents with a rate only, and no longer than the rate's period.

ALTER TABLE workers ADD COLUMN renewed_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE holdfast_starts (
    agent TEXT NOT NULL,
    at    INTEGER NOT NULL
) STRICT;

CREATE INDEX holdfast_starts_at ON holdfast_starts (agent, at);

-- Runs that go on. They are found among those that would begin, however many of these a rate holds back.
CREATE INDEX runs_go_on ON runs (agent, version, priority DESC, ready_at)
WHERE status = 'queued' AND held = 0 AND started_at IS NOT NULL;
