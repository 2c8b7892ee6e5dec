-- What a trace of a run's next activation links to.
--
-- activations  trace   the trace context (W3C's `traceparent`) of an activation that was traced; written with its first
--                      delta, so one that was lost before that has none

ALTER TABLE activations ADD COLUMN trace TEXT;
