-- Version 7: the enrolment service: answers that are given again, lineage of keys, one device a chip, partners, quotas.

-- The enrolment that spent a challenge, as a digest, and its answer, which the same enrolment gets again while the
-- challenge lives. NULL in rows of older versions.
ALTER TABLE used_challenge ADD COLUMN enrolment BLOB;
ALTER TABLE used_challenge ADD COLUMN answer_bytes BLOB;

-- What one key says about one device: 0 nothing, 1 an estimate, 2 hardware. And the partner that brought it.
ALTER TABLE device ADD COLUMN uniqueness INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN partner TEXT;

-- Not NULL: the key was retired, and the feed names it until its attestation result has ended, from when on no node
-- opens a session for it. NULL enters no digest, as in rows of older versions.
ALTER TABLE feed_entry ADD COLUMN until INTEGER;

-- A key that came in the place of another, and why.
CREATE TABLE lineage (
    id  INTEGER PRIMARY KEY,
    old BLOB NOT NULL,
    new BLOB NOT NULL,
    why TEXT NOT NULL,
    at  INTEGER NOT NULL
) STRICT;
CREATE INDEX lineage_by_old ON lineage (old);
CREATE INDEX lineage_by_new ON lineage (new);

-- The newest device of a chip. The pseudonym is made under this operator's key; the hardware's own id is nowhere.
CREATE TABLE hardware (
    pseudonym  BLOB PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hardware_by_device ON hardware (thumbprint);

-- Sources of enrolments; the newest row of a name is in force. `families` are names in order, joined by commas.
-- `key_made` is the row that the key in force was made for; the key itself is nowhere.
CREATE TABLE partner (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    families  TEXT NOT NULL,
    tier_max  INTEGER NOT NULL,
    daily_max INTEGER NOT NULL,
    total_max INTEGER NOT NULL,
    key_made  INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    by        TEXT NOT NULL
) STRICT;
CREATE INDEX partner_by_name ON partner (name, id);

-- Enrolments counted, in the transaction that enrols: by partner or address prefix (a pseudonym) or all, and hour, day
-- or for ever. Rows of a time that is over are swept.
CREATE TABLE enrol_count (
    scope BLOB NOT NULL,
    ends  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, ends)
) STRICT, WITHOUT ROWID;
CREATE INDEX enrol_count_by_end ON enrol_count (ends);
