-- Breakers that are open on any node, one row for each listener that does not answer. `until` is when the node that opened
-- it will probe, by the clock of the database; `pause` is the pause before that probe. Programs of before neither read nor write
-- it: each of their nodes finds out by itself.
CREATE TABLE breaker (
    listener  bigint PRIMARY KEY,
    until     bigint NOT NULL,
    pause     bigint NOT NULL
) WITH (fillfactor = 50);
