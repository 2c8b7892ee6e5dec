-- What steps with effect="transactional" have committed.
--
-- transacted   The value that such a step has returned, by the step's idempotency key, and the fingerprint of its arguments.
--              Written in the transaction that holds the user's rows: a key that is here has happened. Kept as long as the
--              run (of its generation), so that no retry does it again.

CREATE TABLE holdfast.transacted (
    key         text COLLATE "C" PRIMARY KEY,
    rid         bigint NOT NULL,
    fingerprint bytea NOT NULL,
    value       bytea NOT NULL
);

ALTER TABLE holdfast.transacted ALTER value SET STORAGE EXTERNAL;

CREATE INDEX transacted_run ON holdfast.transacted (rid);
