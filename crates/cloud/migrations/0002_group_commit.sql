-- Version 2: durable decisions with few dirty pages a commit (docs/adr/0007), operator actions, sweeps.

-- Keys of events and references are random: an index over all of them dirties a page a key. They go into
-- generations of 2^20 rows instead, fed in sorted sweeps from memory; derived from the log, never the truth.
DROP INDEX event_by_id;
DROP INDEX decision_by_reference;
DROP INDEX decision_by_event;

CREATE TABLE event_key (
    generation INTEGER NOT NULL,
    key        INTEGER NOT NULL,
    row        INTEGER NOT NULL,
    PRIMARY KEY (generation, key, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE reference_key (
    generation INTEGER NOT NULL,
    key        INTEGER NOT NULL,
    row        INTEGER NOT NULL,
    PRIMARY KEY (generation, key, row)
) STRICT, WITHOUT ROWID;

-- Columns added here are NULL in rows of version 1, and enter a row's digest only where they are not NULL.
-- The decision that was stored together with the event.
ALTER TABLE event ADD COLUMN first_decision INTEGER;
-- Not NULL: the record's facts are those of its event; `record_bytes` is what follows them.
ALTER TABLE decision ADD COLUMN shared INTEGER;
CREATE INDEX decision_by_event ON decision (seq) WHERE shared IS NULL;

-- What operators did at an edge.
CREATE TABLE operator_action (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    node   TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    -- Drawn by the node, so that a report that comes twice tells it once.
    action_id BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX operator_action_by_id ON operator_action (node, action_id);

-- The deletion log: rows `first_row` to `last_row` of the table of this kind are gone, being older than `before`.
CREATE TABLE sweep (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    last_row  INTEGER NOT NULL,
    before    INTEGER NOT NULL
) STRICT;
