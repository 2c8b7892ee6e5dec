-- Files that runs keep: what `ctx.workspace` holds.
--
-- files     What is at a path, as of the entry or item with the number `seq`: the files at entry N are, of each path, the
--           row with the highest seq up to N; kind 0 says that nothing is there any more. `chunks` is the file's content:
--           for each piece the digest (16 bytes) and the size (4 bytes, big-endian), one after the other.
-- contents  Pieces of files, shared by all runs. `body` is packed; `digest` is of the plain bytes; `at` is when it was put
--           last, by the database's time. It is put before the row that refers to it: what nothing refers to is kept for
--           a while, then swept.
-- uses      Which contents a run's rows of `files` may refer to: never too few, perhaps some of rows that have gone.

CREATE TABLE files (
    rid    INTEGER NOT NULL,
    path   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    mode   INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    target TEXT NOT NULL,
    chunks BLOB NOT NULL,
    PRIMARY KEY (rid, path, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE contents (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    at     INTEGER NOT NULL,
    body   BLOB NOT NULL
) STRICT;

CREATE INDEX contents_at ON contents (at);

CREATE TABLE uses (
    rid    INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (rid, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX uses_digest ON uses (digest);
