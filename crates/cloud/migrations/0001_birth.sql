-- Version 1. A migration is never edited once released; a change is a new file.
-- Times: milliseconds since the epoch. Blobs named *_bytes are canonical encodings of glacis-wire messages.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The event log. `seq` is the log sequence number that feature cuts speak of; it never has a gap.
-- `thumbprint` is empty where the request was not signed. `identity` is the digest of what makes two
-- requests the same action (event, body, principal, extracted fields).
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    event_id   BLOB NOT NULL,
    identity   BLOB NOT NULL,
    received   INTEGER NOT NULL,
    ingested   INTEGER NOT NULL,
    facts_bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_by_id ON event (thumbprint, event_id);

-- Decisions of an event. `standing` = the verdict that a repeated request gets is among these.
CREATE TABLE decision (
    id           INTEGER PRIMARY KEY,
    seq          INTEGER NOT NULL REFERENCES event (seq),
    proof        BLOB,
    standing     INTEGER NOT NULL,
    reference    BLOB NOT NULL,
    ingested     INTEGER NOT NULL,
    record_bytes BLOB NOT NULL,
    settled_bytes BLOB NOT NULL
) STRICT;
CREATE INDEX decision_by_event ON decision (seq);
CREATE UNIQUE INDEX decision_by_reference ON decision (reference);

CREATE TABLE spent_proof (
    proof BLOB PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Something that should not happen and did: conflicting content, proof reuse, fork.
CREATE TABLE incident (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    thumbprint BLOB NOT NULL,
    event_id   BLOB,
    node       TEXT NOT NULL,
    detail_bytes BLOB NOT NULL
) STRICT;
CREATE INDEX incident_by_event ON incident (event_id);

CREATE TABLE device (
    thumbprint  BLOB PRIMARY KEY,
    tier        INTEGER NOT NULL,
    trust       INTEGER NOT NULL,
    family      TEXT NOT NULL,
    enrolled    INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    certificate_bytes BLOB NOT NULL,
    result_bytes      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tier_change (
    id         INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    at         INTEGER NOT NULL,
    from_tier  INTEGER NOT NULL,
    to_tier    INTEGER NOT NULL,
    reason     TEXT NOT NULL
) STRICT;
CREATE INDEX tier_change_by_device ON tier_change (thumbprint);

-- Challenges that were used; a row makes a challenge single use. Rows past `not_after` are swept.
CREATE TABLE used_challenge (
    nonce     BLOB PRIMARY KEY,
    not_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_challenge_by_end ON used_challenge (not_after);

CREATE TABLE opening (
    id         INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    chain      BLOB NOT NULL,
    parent     BLOB NOT NULL,
    epoch_ctr  INTEGER NOT NULL,
    opened_at  INTEGER NOT NULL,
    node       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX opening_by_chain ON opening (thumbprint, chain);
CREATE INDEX opening_by_parent ON opening (thumbprint, parent);
CREATE INDEX opening_by_counter ON opening (thumbprint, epoch_ctr);

-- The newest row of a device is in force; `id` is the feed version that brought it.
CREATE TABLE feed_entry (
    id         INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    action     INTEGER NOT NULL,
    since      INTEGER NOT NULL
) STRICT;

-- One row a change; the state of an item at (version v, time t) is what its change with the greatest
-- (effective, version) among version <= v and effective <= t says.
CREATE TABLE list_change (
    id        INTEGER PRIMARY KEY,
    list      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    item      TEXT NOT NULL,
    present   INTEGER NOT NULL,
    effective INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    by        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX list_change_by_version ON list_change (list, version);

CREATE TABLE otp (
    nonce     BLOB PRIMARY KEY,
    principal TEXT NOT NULL,
    mac       BLOB NOT NULL,
    sent      INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    tries     INTEGER NOT NULL,
    sends     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX otp_by_principal ON otp (principal, sent);
CREATE INDEX otp_by_end ON otp (not_after);

CREATE TABLE device_record (
    id         INTEGER PRIMARY KEY,
    thumbprint BLOB NOT NULL,
    event_id   BLOB NOT NULL,
    received   INTEGER NOT NULL,
    tier       INTEGER NOT NULL,
    trust      INTEGER NOT NULL,
    record_bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX device_record_by_id ON device_record (thumbprint, event_id);

CREATE TABLE key_set (
    version      INTEGER PRIMARY KEY,
    signed_bytes BLOB NOT NULL
) STRICT;

CREATE TABLE bundle (
    id           INTEGER PRIMARY KEY,
    version      INTEGER NOT NULL,
    zone         INTEGER NOT NULL,
    published    INTEGER NOT NULL,
    signed_bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX bundle_by_version ON bundle (version, zone);

-- Sources of one version; compiled again when the store opens.
CREATE TABLE policy_source (
    id           INTEGER PRIMARY KEY,
    version      INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    source_bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX policy_source_by_version ON policy_source (version, ordinal);

CREATE TABLE feedback (
    id        INTEGER PRIMARY KEY,
    reference BLOB NOT NULL,
    outcome   TEXT NOT NULL,
    at        INTEGER NOT NULL,
    by        TEXT NOT NULL
) STRICT;
CREATE INDEX feedback_by_reference ON feedback (reference);

CREATE TABLE token (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    hash    BLOB NOT NULL,
    scopes  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX token_by_hash ON token (hash);

-- A token that is in here is not good any more: revoked, or a bootstrap token that was used.
CREATE TABLE token_end (
    id    INTEGER PRIMARY KEY,
    token INTEGER NOT NULL UNIQUE REFERENCES token (id),
    at    INTEGER NOT NULL
) STRICT;

-- The hash chain. `row` names a row of the table that belongs to `kind`; `digest` is over that row.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    digest BLOB NOT NULL,
    head   BLOB NOT NULL
) STRICT;
