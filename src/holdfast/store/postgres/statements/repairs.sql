-- name: retry
-- Let a failed run go on from before what made it fail.
SELECT routines.retry($1, $2);

-- name: fork
-- Make a run that begins with a copy of another's journal.
SELECT routines.fork($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: move
-- Go on as another version, provided that nothing has happened since it was checked.
SELECT routines.move($1, $2, $3, $4);
