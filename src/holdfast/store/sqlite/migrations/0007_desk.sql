-- What people are asked, the small records of the house, and what channels are to be told.
--
-- runs                 started_by   who started the tree, kept with its first run; '' if nobody said so
-- holdfast_approvals   What runs have asked of people; rows go with their run. `asked` is a JSON list of names and roles.
--                      Large columns come last: the others are read without them.
-- holdfast_audit       Who did what. Nothing is ever taken from it. `mark` is the fingerprint of the ruling that it came
--                      with (x'' without one): a ruling that is sent again is known by it.
-- holdfast_documents   Small records by kind and id, changed by compare-and-set.
-- holdfast_outbox      What channels are to be told. Numbers are not used twice: somebody may still be sending.

ALTER TABLE runs ADD COLUMN started_by TEXT NOT NULL DEFAULT '';

CREATE TABLE holdfast_approvals (
    n          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    rid        INTEGER NOT NULL,
    key        TEXT NOT NULL,
    state      TEXT NOT NULL,
    revision   INTEGER NOT NULL DEFAULT 1,
    asked      TEXT NOT NULL,
    risk       INTEGER NOT NULL,
    due_at     INTEGER,
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    decided_at INTEGER,
    decision   BLOB,
    body       BLOB NOT NULL
) STRICT;

CREATE INDEX holdfast_approvals_order ON holdfast_approvals (state, risk DESC, n);
CREATE INDEX holdfast_approvals_run ON holdfast_approvals (rid, state);
CREATE INDEX holdfast_approvals_due ON holdfast_approvals (due_at, n) WHERE state = 'pending' AND due_at IS NOT NULL;

CREATE TABLE holdfast_audit (
    n       INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    run_id  TEXT NOT NULL,
    detail  BLOB NOT NULL,
    mark    BLOB NOT NULL
) STRICT;

CREATE INDEX holdfast_audit_subject ON holdfast_audit (subject);
CREATE INDEX holdfast_audit_actor ON holdfast_audit (actor);
CREATE INDEX holdfast_audit_run ON holdfast_audit (run_id) WHERE run_id <> '';

CREATE TABLE holdfast_documents (
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    expires_at INTEGER,
    body       BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX holdfast_documents_expiry ON holdfast_documents (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE holdfast_outbox (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    event   TEXT NOT NULL,
    about   TEXT NOT NULL,
    channel TEXT NOT NULL,
    at      INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    dead    INTEGER NOT NULL DEFAULT 0,
    error   TEXT NOT NULL DEFAULT '',
    body    BLOB NOT NULL
) STRICT;

CREATE INDEX holdfast_outbox_next ON holdfast_outbox (next_at, n) WHERE dead = 0;
CREATE INDEX holdfast_outbox_dead ON holdfast_outbox (n) WHERE dead = 1;

-- Approvals as holdfast.records.approval.Approval has them, in the order of its fields.
CREATE VIEW holdfast_approval_rows AS
SELECT a.n, a.id, r.id AS run_id, r.root, r.agent, r.version, a.key, a.state, a.revision, a.asked, a.risk, a.due_at,
       a.digest, a.body, a.created_at, a.decided_at, a.decision
FROM holdfast_approvals AS a JOIN runs AS r ON r.rid = a.rid;
