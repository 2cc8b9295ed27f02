-- Tokens of the interfaces. Each belongs to an account and can do no more than it.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,             -- SHA-256: the token itself is shown once and never kept
    login TEXT NOT NULL,                   -- of the account
    name TEXT NOT NULL,                    -- what it is for
    scopes TEXT NOT NULL,                  -- comma-separated, sorted
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    used_at INTEGER                        -- to the minute
) STRICT;
CREATE INDEX tokens_by_login ON tokens (login);

-- Answers to writes that carried an Idempotency-Key, for as long as a client may ask again.
CREATE TABLE idempotency (
    login TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,                 -- BLAKE3 of method, path and body: another request under the key is refused
    at INTEGER NOT NULL,
    status INTEGER,                        -- absent while the first request is under way
    body TEXT,
    PRIMARY KEY (login, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_at ON idempotency (at);

-- Groups of outlets on the map stand where their outlets are: sums of their level-24 tiles.
DROP TABLE grid;
CREATE TABLE grid (
    level INTEGER NOT NULL,
    cell INTEGER NOT NULL,                 -- Morton number at that level
    collection INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum_x INTEGER NOT NULL,
    sum_y INTEGER NOT NULL,
    PRIMARY KEY (level, cell, collection)
) STRICT, WITHOUT ROWID;
