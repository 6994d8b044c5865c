-- Version 3: answers that are given again under an idempotency key, and messages to webhooks.

-- Rows live a day; they follow from decisions and are no part of the audit chain.
CREATE TABLE idempotency (
    id      INTEGER PRIMARY KEY,
    bearer  INTEGER NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL,
    at      INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_by_key ON idempotency (bearer, key);

-- A row is a message that was not delivered yet; written with its decision, deleted with its delivery.
CREATE TABLE webhook (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    made  INTEGER NOT NULL,
    due   INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    name  TEXT NOT NULL,
    body  BLOB NOT NULL
) STRICT;
CREATE INDEX webhook_by_due ON webhook (due);
