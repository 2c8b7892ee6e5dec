-- Holdfast's tables. Statuses, times and records are explained in holdfast/records; here only what is particular.
--
-- Times are microseconds. A column of type ANY holds a packed value: a BLOB is the value itself, an INTEGER is the id
-- of a row of `blobs` that holds it (values above 4 KB, so that rows that change often stay small). The views resolve
-- that, so nobody above them sees it.
--
-- runs         One row per run, for ever. `rid` is what other tables refer to; runs are never deleted, so it is never
--              used again. A suspended run is this row, its journal and nothing else.
--   started_as         the agent that it was started as, whatever it goes on as (`continue_as`): keys are unique in it
--   ready_at           since when it could be claimed (order of the queue, within a priority)
--   parent             rid of the parent; parent_generation: the parent's generation when the child was born. A parent
--                      that began again (`continue_as`) no longer knows the child: its end is not news.
--   map, ord, branch   the item of a map that the child stands for: see `groups`
--   held               1 while its group has not released it; such a run is queued but cannot be claimed
--   wakes, seen        news filed, news journaled; `inbox` holds exactly those in between, without gaps
--   progress           JSON [done, total, message]
--   entries            journal rows of this generation
-- journal      What bodies observed, appended. Ordered by rowid and found by run; a key clustered by (rid, seq) would
--              scatter the appends of many runs over the file (measured: six times the cost).
-- items        Outcomes of maps' items. Its index covers all but the value: a resumed map reads the index alone.
-- promises     Declared (`schema` is set), resolved (`ok` is set) or both; in either order.
-- inbox        News for a run under the number of `wakes` that announced it; deleted when `seen` passes it.
-- groups       The children of one map. `active` counts children that are released and have not ended: `lim` - `active`
--              more may be released, whoever notices it (a child that ends, a parent that adds or raises the limit).
-- endings      Children of groups that ended and have no item yet, in the order of their ends (`n`).
-- activations  Who hosted a run and with which build.
-- workers      One lease per worker. `commits` is the number of its last batch, `verdicts` what became of it (one byte
--              per delta): a batch that is sent again is answered from here. `hosts` is JSON [[agent, version], …].
-- blobs        Large values, once per run and digest.

CREATE TABLE runs (
    rid               INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    agent             TEXT NOT NULL,
    version           TEXT NOT NULL,
    key               TEXT,
    started_as        TEXT NOT NULL,
    status            TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    ready_at          INTEGER NOT NULL,
    root              TEXT NOT NULL,
    parent            INTEGER,
    parent_key        TEXT,
    parent_generation INTEGER,
    detached          INTEGER NOT NULL DEFAULT 0,
    map               INTEGER,
    ord               INTEGER NOT NULL DEFAULT 0,
    branch            INTEGER NOT NULL DEFAULT 0,
    held              INTEGER NOT NULL DEFAULT 0,
    epoch             INTEGER NOT NULL DEFAULT 0,
    worker            TEXT,
    wakes             INTEGER NOT NULL DEFAULT 0,
    seen              INTEGER NOT NULL DEFAULT 0,
    wake_at           INTEGER,
    generation        INTEGER NOT NULL DEFAULT 0,
    lost              INTEGER NOT NULL DEFAULT 0,
    entries           INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    ended_at          INTEGER,
    deadline_at       INTEGER,
    cancel_at         INTEGER,
    cancel_reason     TEXT NOT NULL DEFAULT '',
    progress          TEXT,
    digest            BLOB NOT NULL,
    input             ANY NOT NULL,
    result            ANY,
    error             ANY,
    CHECK (seen <= wakes),
    CHECK ((status = 'running') = (worker IS NOT NULL)),
    CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX runs_key ON runs (started_as, key) WHERE key IS NOT NULL;
CREATE INDEX runs_ready ON runs (agent, version, priority DESC, ready_at) WHERE status = 'queued' AND held = 0;
CREATE INDEX runs_wake ON runs (agent, version, wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
CREATE INDEX runs_owned ON runs (worker) WHERE status = 'running';
CREATE INDEX runs_woken ON runs (worker, wakes) WHERE status = 'running' AND wakes > seen;
CREATE INDEX runs_parent ON runs (parent, map, ord) WHERE parent IS NOT NULL;
CREATE INDEX runs_held ON runs (parent, map, ord) WHERE held = 1;

CREATE TABLE journal (
    id          INTEGER PRIMARY KEY,
    rid         INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    op          INTEGER NOT NULL,
    key         TEXT NOT NULL,
    at          INTEGER NOT NULL,
    ok          INTEGER NOT NULL,
    guarded     INTEGER NOT NULL,
    branch      INTEGER,
    fingerprint BLOB NOT NULL,
    value       ANY NOT NULL,
    note        ANY NOT NULL
) STRICT;

CREATE INDEX journal_run ON journal (rid);

CREATE TABLE items (
    id     INTEGER PRIMARY KEY,
    rid    INTEGER NOT NULL,
    map    INTEGER NOT NULL,
    ord    INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    ok     INTEGER NOT NULL,
    within INTEGER,
    value  ANY NOT NULL
) STRICT;

CREATE INDEX items_map ON items (rid, map, ord, branch, seq, at, ok, within);

CREATE TABLE promises (
    id     TEXT NOT NULL PRIMARY KEY,
    rid    INTEGER NOT NULL,
    key    TEXT NOT NULL,
    schema BLOB,
    ok     INTEGER,
    value  ANY,
    at     INTEGER
) STRICT;

CREATE TABLE inbox (
    rid   INTEGER NOT NULL,
    wake  INTEGER NOT NULL,
    op    INTEGER NOT NULL,
    key   TEXT NOT NULL,
    ok    INTEGER NOT NULL,
    value ANY NOT NULL,
    PRIMARY KEY (rid, wake)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    rid           INTEGER NOT NULL,
    map           INTEGER NOT NULL,
    key           TEXT NOT NULL,
    total         INTEGER,
    lim           INTEGER NOT NULL,
    every         INTEGER NOT NULL,
    first_failure INTEGER NOT NULL,
    done          INTEGER NOT NULL DEFAULT 0,
    active        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (rid, map)
) STRICT, WITHOUT ROWID;

CREATE TABLE endings (
    n      INTEGER PRIMARY KEY,
    rid    INTEGER NOT NULL,
    map    INTEGER NOT NULL,
    ord    INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    ok     INTEGER NOT NULL
) STRICT;

CREATE INDEX endings_map ON endings (rid, map, ord);

CREATE TABLE activations (
    rid    INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    worker TEXT NOT NULL,
    build  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (rid, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    id         TEXT NOT NULL PRIMARY KEY,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    hosts      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    commits    INTEGER NOT NULL DEFAULT 0,
    verdicts   BLOB NOT NULL DEFAULT x''
) STRICT;

CREATE TABLE blobs (
    id     INTEGER PRIMARY KEY,
    rid    INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body   BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX blobs_run ON blobs (rid, digest);

-- Runs as holdfast.records.run.Run has them, in the order of its fields.
CREATE VIEW run_rows AS
SELECT r.rid, r.id, r.agent, r.version, r.key,
       CASE typeof(r.input) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.input) ELSE r.input END AS input,
       r.digest, r.status, r.priority, r.root,
       r.parent, (SELECT p.id FROM runs AS p WHERE p.rid = r.parent) AS parent_id,
       r.parent_key, r.detached, r.map, r.ord, r.branch, r.held,
       r.epoch, r.worker, r.wakes, r.seen, r.wake_at, r.generation, r.lost,
       r.created_at, r.started_at, r.ended_at, r.deadline_at, r.cancel_at, r.cancel_reason,
       CASE typeof(r.result) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.result) ELSE r.result END AS result,
       CASE typeof(r.error) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = r.error) ELSE r.error END AS error,
       r.progress, r.entries
FROM runs AS r;

-- Entries as holdfast.records.journal.Entry has them.
CREATE VIEW journal_rows AS
SELECT j.rid, j.seq, j.kind, j.op, j.key, j.at, j.ok, j.guarded, j.fingerprint,
       CASE typeof(j.value) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = j.value) ELSE j.value END AS value,
       CASE typeof(j.note) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = j.note) ELSE j.note END AS note,
       j.branch
FROM journal AS j;

-- Items' values.
CREATE VIEW item_rows AS
SELECT i.rid, i.map, i.ord,
       CASE typeof(i.value) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = i.value) ELSE i.value END AS value
FROM items AS i;

-- News as holdfast.records.journal.News has it.
CREATE VIEW inbox_rows AS
SELECT n.rid, n.wake, n.op, n.key, n.ok,
       CASE typeof(n.value) WHEN 'integer' THEN (SELECT body FROM blobs WHERE blobs.id = n.value) ELSE n.value END AS value
FROM inbox AS n;
