-- Version 4: keys of events and references in sorted runs (docs/adr/0007). Derived from the log: they are made
-- anew from it when the store is opened for the first time, so nothing of the former tables is carried over.

DROP TABLE event_key;
DROP TABLE reference_key;
DELETE FROM meta WHERE key IN ('event_key_moved', 'reference_key_moved');

-- A run that is complete; `keyed` is 0 for events, 1 for references. Rows up to the last `last_row` are in runs.
CREATE TABLE key_run (
    keyed    INTEGER NOT NULL,
    run      INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    chunks   INTEGER NOT NULL,
    PRIMARY KEY (keyed, run)
) STRICT, WITHOUT ROWID;

-- `id` is run << 20 | chunk. `keys` has 12 bytes a key, in order: the key, and its row less `first_row`.
CREATE TABLE event_chunk (
    id   INTEGER PRIMARY KEY,
    keys BLOB NOT NULL
) STRICT;
CREATE TABLE reference_chunk (
    id   INTEGER PRIMARY KEY,
    keys BLOB NOT NULL
) STRICT;
