-- How much of an agent all workers together may do, and how workers are.
--
-- workers   renewed_at   when the lease was renewed last, by the database's time; 0 where an older worker renews it
-- starts    When runs of an agent have begun, of agents with a rate only, and no longer than the rate's period.

ALTER TABLE holdfast.workers ADD COLUMN renewed_at bigint NOT NULL DEFAULT 0;

CREATE TABLE holdfast.starts (
    agent text COLLATE "C" NOT NULL,
    at    bigint NOT NULL
);

CREATE INDEX starts_at ON holdfast.starts (agent, at);

-- Runs that go on. They are found among those that would begin, however many of these a rate holds back.
CREATE INDEX runs_go_on ON holdfast.runs (agent, version, priority DESC, ready_at, rid)
    WHERE status = 'queued' AND NOT held AND started_at IS NOT NULL;
