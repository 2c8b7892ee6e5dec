-- What steps with effect="transactional" have committed. From here on the file may hold tables of its users': those that
-- Holdfast adds begin with `holdfast_`, and users' cannot.
--
-- holdfast_transacted   The value that such a step has returned, by the step's idempotency key, and the fingerprint of its
--                       arguments. Written in the transaction that holds the user's rows: a key that is here has happened.
--                       Kept as long as the run (of its generation), so that no retry does it again.

CREATE TABLE holdfast_transacted (
    key         TEXT NOT NULL UNIQUE,
    rid         INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    value       BLOB NOT NULL
) STRICT;

CREATE INDEX holdfast_transacted_run ON holdfast_transacted (rid);
