-- The server's database, version 1. Append-only: a later version is a new file.
-- Raw signed runs are the truth; documents, digest, ledger are derived from them.

CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- What servers and the root signed, as signed: server certificates, memberships, revocations,
-- rulings. The feed points here.
CREATE TABLE sealed (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,                 -- as in `feed`: 2 membership, 3 revocation, 4 ruling, 5 server certificate
    about BLOB NOT NULL,                   -- key, or hash of the run's last change
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX sealed_by_kind ON sealed (kind, id);

CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    secret_hash BLOB NOT NULL UNIQUE,      -- SHA-256: the database never holds the secret
    role TEXT NOT NULL,
    level TEXT,
    collections TEXT NOT NULL,             -- codes, comma-separated, sorted
    name TEXT NOT NULL,
    person BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    bound_key BLOB,                        -- first key that used it; a retry by the same key succeeds
    bound_at INTEGER
) STRICT;

CREATE TABLE members (
    key BLOB PRIMARY KEY NOT NULL,
    person BLOB NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    level TEXT,
    collections TEXT NOT NULL,
    serial INTEGER NOT NULL,               -- of the newest certificate
    not_after INTEGER NOT NULL,
    enrolled_at INTEGER NOT NULL,
    ticket INTEGER REFERENCES tickets(id),
    last_seen INTEGER,
    skew_ms INTEGER,                       -- server's clock minus the device's, at the last session
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- A cache: rebuilt from `runs` at any time.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,              -- DocKey::to_bytes, sorts by collection
    heads BLOB NOT NULL,                   -- 32 bytes each, sorted
    changes INTEGER NOT NULL,
    saved BLOB NOT NULL                    -- as automerge saves it; empty until somebody needs that form
) STRICT;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    doc BLOB NOT NULL,                     -- a held run may have no document yet
    state INTEGER NOT NULL,                -- 1 admitted, 2 held, 3 rejected, 4 waits for changes not here
    received_at INTEGER NOT NULL,
    author BLOB NOT NULL,
    carrier BLOB NOT NULL,
    hashes BLOB NOT NULL,                  -- of its changes, in order, 32 bytes each
    run BLOB NOT NULL,                     -- the signed run as encoded
    hold TEXT                              -- JSON: reason and what it waits for, while held
) STRICT;
CREATE INDEX runs_by_doc ON runs (doc, id);
CREATE INDEX runs_not_admitted ON runs (doc, state, id) WHERE state <> 1;

-- One feed per collection, one number per item.
CREATE TABLE feed_head (
    collection INTEGER PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB NOT NULL
) STRICT;
CREATE TABLE feed (
    collection INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,                 -- 1 run, 2 certificate, 3 revocation, 4 ruling, 5 server certificate
    ref INTEGER NOT NULL,                  -- runs.id or sealed.id
    carrier BLOB,                          -- who brought it: not sent back to them
    chain BLOB NOT NULL,                   -- hash over the feed up to here: part of the cursor
    PRIMARY KEY (collection, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE digest (
    collection INTEGER PRIMARY KEY NOT NULL,
    state BLOB NOT NULL,                   -- LtHash16
    count INTEGER NOT NULL
) STRICT;

CREATE TABLE receipts (
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    collection INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    receipt BLOB NOT NULL
) STRICT;

-- Two changes for one (actor, seq): the first stands, the second is kept here as evidence.
CREATE TABLE equivocations (
    id INTEGER PRIMARY KEY,
    doc BLOB NOT NULL,
    author BLOB NOT NULL,
    carrier BLOB NOT NULL,
    at INTEGER NOT NULL,
    run BLOB NOT NULL
) STRICT;

-- What each device brought on each day (UTC+08:00).
CREATE TABLE usage (
    device BLOB NOT NULL,
    day INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    photo_bytes INTEGER NOT NULL,
    PRIMARY KEY (device, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    hash BLOB PRIMARY KEY NOT NULL,
    bytes INTEGER NOT NULL,
    class INTEGER NOT NULL,                -- 0 preview, 1 original, 2 attachment
    doc BLOB NOT NULL,
    original BLOB,                         -- of a preview
    collection INTEGER NOT NULL,
    carrier BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    receipt BLOB NOT NULL,                 -- as signed
    withdrawn_at INTEGER                   -- the bytes are gone, the hash stays
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_by_collection ON blobs (collection, received_at);

-- Which device confirmed which file that it fetched.
CREATE TABLE blobs_sent (
    device BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (device, hash)
) STRICT, WITHOUT ROWID;

-- "We hold the same", signed by both sides: the newest of each device.
CREATE TABLE statements (
    device BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    statement BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Derived: one row per outlet, equal to what a rebuild gives.
CREATE TABLE ledger (
    outlet BLOB PRIMARY KEY NOT NULL,      -- collection and UUID of the field record
    collection INTEGER NOT NULL,
    row TEXT NOT NULL,
    findings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
