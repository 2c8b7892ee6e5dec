-- What people are asked, the small records of the house, and what channels are to be told.
--
-- runs        started_by   who started the tree, kept with its first run; '' if nobody said so
-- approvals   What runs have asked of people; rows go with their run. Written under the lock of the run's row. `asked`: names
--             and roles; none: whoever may decide anything at all.
-- audit       Who did what. Nothing is ever taken from it. `mark` is the fingerprint of the ruling that it came with ('' without
--             one): a ruling that is sent again is known by it.
-- documents   Small records by kind and id, changed by compare-and-set, several of them in the order of kinds and ids.
-- outbox      What channels are to be told.

ALTER TABLE holdfast.runs ADD COLUMN started_by text NOT NULL DEFAULT '';

CREATE TABLE holdfast.approvals (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text COLLATE "C" NOT NULL UNIQUE,
    rid        bigint NOT NULL,
    key        text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL DEFAULT 1,
    asked      text[] NOT NULL,
    risk       bigint NOT NULL,
    due_at     bigint,
    digest     text NOT NULL,
    created_at bigint NOT NULL,
    decided_at bigint,
    decision   bytea,
    body       bytea NOT NULL
);

ALTER TABLE holdfast.approvals ALTER decision SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;

CREATE INDEX approvals_order ON holdfast.approvals (state, risk DESC, n);
CREATE INDEX approvals_run ON holdfast.approvals (rid, state);
CREATE INDEX approvals_due ON holdfast.approvals (due_at, n) WHERE state = 'pending' AND due_at IS NOT NULL;

CREATE TABLE holdfast.audit (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    actor   text COLLATE "C" NOT NULL,
    action  text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    run_id  text COLLATE "C" NOT NULL,
    detail  bytea NOT NULL,
    mark    bytea NOT NULL
);

ALTER TABLE holdfast.audit ALTER detail SET STORAGE EXTERNAL;

CREATE INDEX audit_subject ON holdfast.audit (subject, n);
CREATE INDEX audit_actor ON holdfast.audit (actor, n);
CREATE INDEX audit_run ON holdfast.audit (run_id, n) WHERE run_id <> '';

CREATE TABLE holdfast.documents (
    kind       text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    expires_at bigint,
    body       bytea NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX documents_expiry ON holdfast.documents (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE holdfast.outbox (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event   text NOT NULL,
    about   text NOT NULL,
    channel text NOT NULL,
    at      bigint NOT NULL,
    next_at bigint NOT NULL,
    tries   bigint NOT NULL DEFAULT 0,
    dead    boolean NOT NULL DEFAULT false,
    error   text NOT NULL DEFAULT '',
    body    bytea NOT NULL
);

CREATE INDEX outbox_next ON holdfast.outbox (next_at, n) WHERE NOT dead;
CREATE INDEX outbox_dead ON holdfast.outbox (n) WHERE dead;
