-- name: kept
-- What was done under a key.
SELECT value, fingerprint FROM routines.kept($1, $2, $3, $4);

-- name: keep
-- It is done, unless another has done it meanwhile: then what that has kept.
SELECT value, fingerprint FROM routines.keep($1, $2, $3, $4, $5, $6);
