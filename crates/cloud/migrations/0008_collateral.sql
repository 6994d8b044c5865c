-- Version 8: signed collateral, what appraisals rest on, what fell, and issuers with too many devices.

-- Every collateral that was taken into force, under the audit chain; its bytes are kept of the newest only.
CREATE TABLE collateral (
    id          INTEGER PRIMARY KEY,
    version     INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    made_at     INTEGER NOT NULL,
    stale_after INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    by          TEXT NOT NULL
) STRICT;
CREATE TABLE collateral_bytes (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    signed_bytes BLOB NOT NULL
) STRICT;

-- What the newest appraisal of a device rests on, piece by piece (`attest::SupportKind`). No hardware id is in it.
CREATE TABLE support (
    kind       INTEGER NOT NULL,
    value      BLOB NOT NULL,
    thumbprint BLOB NOT NULL,
    PRIMARY KEY (kind, value, thumbprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX support_by_device ON support (thumbprint);

-- When the revocation list was made that its appraisal asked, and the version of the collateral; NULL where there was none.
-- `issuer`: the key that issued its own, where devices of one issuer are counted. `fallen`: the row of `reappraisal` since
-- which it is worth less, until it attests anew.
ALTER TABLE device ADD COLUMN revocations_as_of INTEGER;
ALTER TABLE device ADD COLUMN collateral INTEGER;
ALTER TABLE device ADD COLUMN issuer BLOB;
ALTER TABLE device ADD COLUMN fallen INTEGER;

-- Devices that fell with a piece of collateral, under the audit chain.
CREATE TABLE reappraisal (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    thumbprint BLOB NOT NULL,
    collateral INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    value      BLOB NOT NULL,
    from_tier  INTEGER NOT NULL,
    from_trust INTEGER NOT NULL,
    to_tier    INTEGER NOT NULL
) STRICT;
CREATE INDEX reappraisal_by_collateral ON reappraisal (collateral, id);

-- Devices by the key that issued theirs: `own` where that is one device's, and then a pseudonym; else a batch's digest. `alarm`: since when there are
-- more than there may be.
CREATE TABLE issuer (
    key     BLOB PRIMARY KEY,
    own     INTEGER NOT NULL,
    devices INTEGER NOT NULL,
    alarm   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX issuer_alarmed ON issuer (key) WHERE alarm IS NOT NULL;
