-- Lists that are imported, codes that are assigned, reports of the public.

CREATE TABLE import_mappings (
    name TEXT PRIMARY KEY NOT NULL,
    text TEXT NOT NULL,                    -- TOML
    saved_at INTEGER NOT NULL,
    saved_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    mapping TEXT NOT NULL,                 -- the text used
    file_name TEXT NOT NULL,
    file_hash BLOB NOT NULL,               -- SHA-256
    state TEXT NOT NULL,                   -- running | done
    rows INTEGER NOT NULL,                 -- good rows of the file
    created INTEGER NOT NULL,              -- records made, over all runs
    skipped INTEGER NOT NULL,              -- rows left out on request
    by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (list, file_hash)
) STRICT;

-- National codes assigned here from granted blocks. A serial is given once, for ever: rows are
-- never deleted, cancelling a code leaves its row.
CREATE TABLE codes (
    code TEXT PRIMARY KEY NOT NULL,
    place TEXT NOT NULL,                   -- basin letters and county: serials run within it
    serial INTEGER NOT NULL,
    outlet BLOB NOT NULL,
    block TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    UNIQUE (place, serial)
) STRICT, WITHOUT ROWID;

-- What the public reported behind a sign's QR code. Never part of a field document.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,           -- what the reporter gets; says nothing of who or when
    code TEXT NOT NULL,                    -- of the sign
    outlet BLOB,                           -- the record, when the code was known
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    lon REAL,
    lat REAL,
    photo BLOB,                            -- SHA-256; the file lies in the folder `reports`
    state TEXT NOT NULL,                   -- new | answered | promoted | rejected
    answer TEXT,
    decided_at INTEGER,
    decided_by TEXT,
    promoted_to TEXT                       -- record or proposal
) STRICT;
CREATE INDEX reports_by_state ON reports (state, at);
