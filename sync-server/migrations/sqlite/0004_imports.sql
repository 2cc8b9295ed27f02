-- Imports of lists: what was brought in, by whom, and how far a broken-off one came.

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
