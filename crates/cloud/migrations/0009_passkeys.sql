-- Version 9: passkeys of users, which pass challenges, and of operators, which log in to the console.

-- Every registration and removal, under the audit chain. Of a registration: what never changes of its credential. Of a
-- removal: the row that it removes, in `removes`, and who is concerned; the rest is NULL.
CREATE TABLE passkey_change (
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    by          TEXT NOT NULL,
    principal   TEXT NOT NULL,
    credential  BLOB NOT NULL,
    removes     INTEGER,
    challenge   BLOB UNIQUE,
    user        BLOB,
    rp          TEXT,
    key         BLOB,
    algorithm   INTEGER,
    eligible    INTEGER
) STRICT;
CREATE INDEX passkey_change_by_credential ON passkey_change (credential, id);
CREATE INDEX passkey_change_by_principal ON passkey_change (principal, id);
CREATE INDEX passkey_change_by_removed ON passkey_change (removes) WHERE removes IS NOT NULL;

-- The registrations in force, with what changes of them.
CREATE TABLE passkey (
    id      INTEGER PRIMARY KEY,
    counter INTEGER NOT NULL,
    used    INTEGER
) STRICT;

-- Assertions for one challenge nonce, while it lives and an hour longer: how many failed, and which one was granted.
CREATE TABLE passkey_answer (
    nonce      BLOB PRIMARY KEY,
    principal  TEXT NOT NULL,
    thumbprint BLOB NOT NULL,
    at         INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    granted    BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_answer_by_principal ON passkey_answer (principal, thumbprint, at);
CREATE INDEX passkey_answer_by_time ON passkey_answer (at);

-- Under the audit chain. `token`: the token in whose session it was added and with which it lapses; NULL where somebody added
-- it who can open the installation's own socket. `key` is a public key.
CREATE TABLE operator_passkey (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    credential      BLOB NOT NULL,
    user            BLOB NOT NULL,
    key             BLOB NOT NULL,
    algorithm       INTEGER NOT NULL,
    backup_eligible INTEGER NOT NULL,
    token           INTEGER,
    at              INTEGER NOT NULL,
    by              TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX operator_passkey_by_credential ON operator_passkey (credential);

-- A passkey that is in here was removed. Under the audit chain; no row of the two goes, so no number is given twice.
CREATE TABLE operator_passkey_end (
    id      INTEGER PRIMARY KEY,
    passkey INTEGER NOT NULL UNIQUE,
    at      INTEGER NOT NULL,
    by      TEXT NOT NULL
) STRICT;

-- Counter of the authenticator, and when it was used last. Changes with each log-in, so not under the chain.
CREATE TABLE operator_passkey_use (
    passkey INTEGER PRIMARY KEY,
    counter INTEGER NOT NULL,
    used    INTEGER
) STRICT;
