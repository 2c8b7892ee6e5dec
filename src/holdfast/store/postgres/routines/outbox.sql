-- The outbox: what channels are to be told.

-- Take messages that are due and that nobody else is taking.
CREATE FUNCTION routines.take_messages(_now bigint, _hold bigint, _limit bigint) RETURNS SETOF holdfast.outbox
LANGUAGE plpgsql PLANNED AS $$
DECLARE
    _ns bigint[];
BEGIN
    PERFORM routines.be_durable();
    _ns := ARRAY(SELECT n FROM holdfast.outbox WHERE NOT dead AND next_at <= _now
                 ORDER BY next_at, n LIMIT _limit FOR UPDATE SKIP LOCKED);
    UPDATE holdfast.outbox SET next_at = _now + _hold, tries = tries + 1 WHERE n = ANY (_ns);
    RETURN QUERY SELECT o.* FROM unnest(_ns) WITH ORDINALITY AS t (n, place) JOIN holdfast.outbox AS o ON o.n = t.n
                 ORDER BY t.place;
END $$;

-- Say what became of messages (without a time they are given up), and add others.
CREATE FUNCTION routines.settle_messages(
    _done bigint[], _later bigint[], _next bigint[], _errors text[],
    _events text[], _abouts text[], _channels text[], _bodies bytea[], _ats bigint[], _next_ats bigint[]
) RETURNS void LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    PERFORM FROM holdfast.outbox WHERE n = ANY (_done || _later) ORDER BY n FOR UPDATE;
    DELETE FROM holdfast.outbox WHERE n = ANY (_done);
    UPDATE holdfast.outbox AS o
    SET next_at = coalesce(l.next_at, o.next_at), dead = l.next_at IS NULL, error = l.error
    FROM unnest(_later, _next, _errors) AS l (n, next_at, error) WHERE o.n = l.n;
    INSERT INTO holdfast.outbox (event, about, channel, body, at, next_at)
    SELECT m.event, m.about, m.channel, m.body, m.at, m.next_at
    FROM unnest(_events, _abouts, _channels, _bodies, _ats, _next_ats)
         WITH ORDINALITY AS m (event, about, channel, body, at, next_at, place)
    ORDER BY m.place;
END $$;

-- Try a dead one again. False if it is not dead.
CREATE FUNCTION routines.revive_message(_n bigint, _now bigint) RETURNS boolean LANGUAGE plpgsql PLANNED AS $$
BEGIN
    PERFORM routines.be_durable();
    UPDATE holdfast.outbox SET dead = false, next_at = _now, tries = 0 WHERE n = _n AND dead;
    RETURN FOUND;
END $$;
