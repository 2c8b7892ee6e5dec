-- Holdfast's tables in PostgreSQL. Statuses, times and records are explained in holdfast/records; here only what is
-- particular. `holdfast` stands for the schema, which the store's URL may name otherwise (`?schema=`).
--
-- Times are microseconds. Values are packed bytes (bytea), so that any byte may be in them; large ones are moved out of
-- line by the server itself (TOAST), already compressed, therefore EXTERNAL. Text that is compared by order is COLLATE "C".
--
-- meta         `schema`: the number of the newest migration. `made_by`: what tells our schema from a foreign one.
-- runs         One row per run. `rid` is what other tables refer to; a sequence gives it, so none is used twice. A suspended
--              run is this row, its journal and nothing else. Locked in the order of rids, parents before children.
--   started_as         the agent that it was started as, whatever it goes on as (`continue_as`): keys are unique in it
--   ready_at           since when it could be claimed (order of the queue, within a priority)
--   parent             rid of the parent; parent_generation: the parent's generation when the child was born. A parent
--                      that began again (`continue_as`) no longer knows the child: its end is not news. -1: the parent has
--                      gone back to before it knew this child, and may start it again
--   map, ord, branch   the item of a map that the child stands for: see `groups`
--   held               its group has not released it; such a run is queued but cannot be claimed
--   wakes, seen        news filed, news journaled; `inbox` holds exactly those in between, without gaps. Neither is in an
--                      index, so that filing news rewrites one row and no index (a HOT update; hence the fillfactor)
--   entries            journal rows of this generation, counted whenever the run leaves its worker: a step of a running one
--                      does not touch this row
--   progress           JSON [done, total, message]
--   cancel_error       `cancel_reason` as a packed failure, for children that are born too late
--   pause_at           since when the owner is asked to pause it; only while it is running
--   ended_by           the number of the entry or item that made it fail: a retry goes back to just before it. NULL: the body
--                      failed by itself
--   origin             the run it was forked from; origin_seq: entries up to this one are copies
--   seed, effects_as   what a fork's chance and ids derive from, and what its idempotency keys begin with
-- journal      What bodies observed. Appended to the heap in the order of commits, found by run and number.
-- items        Outcomes of maps' items. A resumed map reads everything but the values.
-- promises     Declared (`schema` is set), resolved (`ok` is set) or both; in either order.
-- inbox        News for a run under the number of `wakes` that announced it; deleted when `seen` passes it.
-- groups       The children of one map. `active` counts children that are released and have not ended: `lim` - `active`
--              more may be released, whoever notices it. Written under the lock of the parent's row.
-- endings      Children of groups that ended and have no item yet, in the order of their ends (`n`).
-- activations  Who hosted a run and with which build; `claim`: which claim of that worker brought it there, so that runs of a
--              claim whose answer was lost can be given up. `trace`: W3C's `traceparent`, written with the first delta.
-- workers      One lease per worker, in this database's time. `claims` counts claims by compare-and-set. `hosts` is JSON
--              [[agent, version], …].
-- batches      Per worker the number of its last commit, moved by compare-and-set, and what became of it (`verdicts`, NULL:
--              all were applied): a batch that is sent again is answered from here. Not in `workers`, so that a commit that
--              waits for a lock never holds up the renewal of the lease.
-- tags         Words that people find runs by.
-- files        What is at a path of a run's workspace, as of the entry or item with the number `seq`; kind 0: nothing any more.
--              `chunks`: for each piece the digest (16 bytes) and the size (4 bytes, big-endian).
-- contents     Pieces of files, shared by all runs. `body` is packed; `digest` is of the plain bytes; `at` is when it was put
--              last. Put before the row that refers to it; what nothing refers to is kept for a while, then swept.
-- uses         Which contents a run's rows of `files` may refer to: never too few, perhaps some of rows that have gone.

CREATE TABLE holdfast.meta (
    name  text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE holdfast.runs (
    rid               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                text COLLATE "C" NOT NULL UNIQUE,
    agent             text COLLATE "C" NOT NULL,
    version           text COLLATE "C" NOT NULL,
    key               text COLLATE "C",
    started_as        text COLLATE "C" NOT NULL,
    status            text COLLATE "C" NOT NULL,
    priority          bigint NOT NULL,
    ready_at          bigint NOT NULL,
    root              text COLLATE "C" NOT NULL,
    parent            bigint,
    parent_key        text,
    parent_generation bigint,
    detached          boolean NOT NULL DEFAULT false,
    map               bigint,
    ord               bigint NOT NULL DEFAULT 0,
    branch            bigint NOT NULL DEFAULT 0,
    held              boolean NOT NULL DEFAULT false,
    epoch             bigint NOT NULL DEFAULT 0,
    worker            text COLLATE "C",
    wakes             bigint NOT NULL DEFAULT 0,
    seen              bigint NOT NULL DEFAULT 0,
    wake_at           bigint,
    generation        bigint NOT NULL DEFAULT 0,
    lost              integer NOT NULL DEFAULT 0,
    entries           bigint NOT NULL DEFAULT 0,
    created_at        bigint NOT NULL,
    started_at        bigint,
    ended_at          bigint,
    deadline_at       bigint,
    cancel_at         bigint,
    cancel_reason     text NOT NULL DEFAULT '',
    cancel_error      bytea,
    pause_at          bigint,
    ended_by          bigint,
    origin            text,
    origin_seq        bigint NOT NULL DEFAULT 0,
    seed              text,
    effects_as        text,
    progress          text,
    digest            bytea NOT NULL,
    input             bytea NOT NULL,
    result            bytea,
    error             bytea,
    CHECK (seen <= wakes),
    CHECK ((status = 'running') = (worker IS NOT NULL)),
    CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

ALTER TABLE holdfast.runs ALTER input SET STORAGE EXTERNAL, ALTER result SET STORAGE EXTERNAL,
                          ALTER error SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX runs_key ON holdfast.runs (started_as, key) WHERE key IS NOT NULL;
CREATE INDEX runs_ready ON holdfast.runs (agent, version, priority DESC, ready_at, rid)
    WHERE status = 'queued' AND NOT held;
CREATE INDEX runs_wake ON holdfast.runs (agent, version, wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
CREATE INDEX runs_owned ON holdfast.runs (worker) WHERE status = 'running';
CREATE INDEX runs_parent ON holdfast.runs (parent, map, ord) WHERE parent IS NOT NULL;
CREATE INDEX runs_held ON holdfast.runs (parent, map, ord) WHERE held;
CREATE INDEX runs_ended ON holdfast.runs (agent, status, ended_at) WHERE ended_at IS NOT NULL AND parent IS NULL;

CREATE TABLE holdfast.journal (
    rid         bigint NOT NULL,
    seq         bigint NOT NULL,
    kind        smallint NOT NULL,
    op          smallint NOT NULL,
    key         text COLLATE "C" NOT NULL,
    at          bigint NOT NULL,
    ok          boolean NOT NULL,
    guarded     boolean NOT NULL,
    branch      bigint,
    fingerprint bytea NOT NULL,
    value       bytea NOT NULL,
    note        bytea NOT NULL
);

ALTER TABLE holdfast.journal ALTER value SET STORAGE EXTERNAL, ALTER note SET STORAGE EXTERNAL;

CREATE INDEX journal_run ON holdfast.journal (rid, seq);

CREATE TABLE holdfast.items (
    rid    bigint NOT NULL,
    map    bigint NOT NULL,
    ord    bigint NOT NULL,
    branch bigint NOT NULL,
    seq    bigint NOT NULL,
    at     bigint NOT NULL,
    ok     boolean NOT NULL,
    within bigint,
    value  bytea NOT NULL
);

ALTER TABLE holdfast.items ALTER value SET STORAGE EXTERNAL;

CREATE INDEX items_map ON holdfast.items (rid, map, ord);

CREATE TABLE holdfast.promises (
    id     text COLLATE "C" PRIMARY KEY,
    rid    bigint NOT NULL,
    key    text COLLATE "C" NOT NULL,
    schema bytea,
    ok     boolean,
    value  bytea,
    at     bigint
);

CREATE INDEX promises_run ON holdfast.promises (rid);

CREATE TABLE holdfast.inbox (
    rid   bigint NOT NULL,
    wake  bigint NOT NULL,
    op    smallint NOT NULL,
    key   text COLLATE "C" NOT NULL,
    ok    boolean NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (rid, wake)
);

ALTER TABLE holdfast.inbox ALTER value SET STORAGE EXTERNAL;

CREATE TABLE holdfast.groups (
    rid           bigint NOT NULL,
    map           bigint NOT NULL,
    key           text NOT NULL,
    total         bigint,
    lim           bigint NOT NULL,
    every         boolean NOT NULL,
    first_failure boolean NOT NULL,
    done          bigint NOT NULL DEFAULT 0,
    active        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (rid, map)
) WITH (fillfactor = 70);

CREATE TABLE holdfast.endings (
    n      bigint GENERATED ALWAYS AS IDENTITY,
    rid    bigint NOT NULL,
    map    bigint NOT NULL,
    ord    bigint NOT NULL,
    branch bigint NOT NULL,
    ok     boolean NOT NULL
);

CREATE INDEX endings_map ON holdfast.endings (rid, map, ord);

CREATE TABLE holdfast.activations (
    rid    bigint NOT NULL,
    epoch  bigint NOT NULL,
    worker text NOT NULL,
    claim  bigint NOT NULL,
    build  text NOT NULL,
    at     bigint NOT NULL,
    trace  text,
    PRIMARY KEY (rid, epoch)
);

CREATE TABLE holdfast.workers (
    id         text COLLATE "C" PRIMARY KEY,
    host       text NOT NULL,
    pid        bigint NOT NULL,
    hosts      text NOT NULL,
    started_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    claims     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE holdfast.batches (
    worker   text COLLATE "C" PRIMARY KEY,
    number   bigint NOT NULL DEFAULT 0,
    verdicts smallint[]
) WITH (fillfactor = 50);

CREATE TABLE holdfast.tags (
    rid bigint NOT NULL,
    tag text COLLATE "C" NOT NULL,
    PRIMARY KEY (rid, tag)
);

CREATE INDEX tags_tag ON holdfast.tags (tag);

CREATE TABLE holdfast.files (
    rid    bigint NOT NULL,
    path   text COLLATE "C" NOT NULL,
    seq    bigint NOT NULL,
    kind   smallint NOT NULL,
    mode   integer NOT NULL,
    size   bigint NOT NULL,
    target text NOT NULL,
    chunks bytea NOT NULL,
    PRIMARY KEY (rid, path, seq)
);

CREATE TABLE holdfast.contents (
    digest bytea PRIMARY KEY,
    at     bigint NOT NULL,
    body   bytea NOT NULL
);

ALTER TABLE holdfast.contents ALTER body SET STORAGE EXTERNAL;

CREATE INDEX contents_at ON holdfast.contents (at);

CREATE TABLE holdfast.uses (
    rid    bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (rid, digest)
);

CREATE INDEX uses_digest ON holdfast.uses (digest);

INSERT INTO holdfast.meta (name, value) VALUES ('made_by', 'holdfast');
