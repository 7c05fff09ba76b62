-- What one statement needs to do the work of a transaction of several. Adds only; the programs of the version before go on beside it.

-- An account's version, which stays what it is until the transaction ends: the shared side of the lock that a change of the
-- configuration takes. NULL when there is no such account. A function, since each query in a volatile one sees what was
-- committed before it; a statement that locks and reads by itself would read what was there before it waited.
CREATE FUNCTION held_config_version(asked bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1, hashint8(asked));
    RETURN (SELECT config_version FROM account WHERE id = asked);
END
$$;

-- The ids of the keys that a node has, separated by commas: before a key is replaced every living node must have the new one. NULL
-- for nodes of the version before.
ALTER TABLE node ADD COLUMN keys text;
