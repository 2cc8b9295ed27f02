-- What supervisors have on their desk. `desk`, `feature` and `pair` are derived from the ledger's
-- rows and brought up to date when they are asked for (meta `desk_version`, `desk_id`).

CREATE TABLE desk (
    outlet BLOB PRIMARY KEY NOT NULL,
    collection INTEGER NOT NULL,
    review TEXT NOT NULL,                  -- state in review
    submitted_at INTEGER,                  -- receipt of the submission that waits
    reviewed_at INTEGER,                   -- receipt of the last review decision
    again INTEGER NOT NULL,                -- handed in again after a return
    errors INTEGER NOT NULL,
    warnings INTEGER NOT NULL,
    conflicts TEXT NOT NULL,               -- facts in conflict, comma-separated
    number TEXT,
    name TEXT,
    county TEXT,
    inspector TEXT                         -- who handed it in
) STRICT, WITHOUT ROWID;
CREATE INDEX desk_queue ON desk (review, errors DESC, warnings DESC, submitted_at);
CREATE INDEX desk_reviewed ON desk (reviewed_at) WHERE reviewed_at IS NOT NULL;
CREATE INDEX desk_conflicts ON desk (collection) WHERE conflicts <> '';

-- What duplicates are found by, as JSON.
CREATE TABLE feature (
    outlet BLOB PRIMARY KEY NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pair (
    a BLOB NOT NULL,                       -- the smaller key
    b BLOB NOT NULL,
    score INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (a, b)
) STRICT, WITHOUT ROWID;
CREATE INDEX pair_by_b ON pair (b);
CREATE INDEX pair_by_score ON pair (score DESC);

-- Not derived from here on.

-- "These are two outlets": the pair is not shown again unless asked for.
CREATE TABLE pair_dismissed (
    a BLOB NOT NULL,
    b BLOB NOT NULL,
    account TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (a, b)
) STRICT, WITHOUT ROWID;

-- Perceptual hashes of photographs, by the original's hash. NULL: the bytes are no picture.
CREATE TABLE picture (
    photo BLOB PRIMARY KEY NOT NULL,
    picture INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE claim (
    outlet BLOB PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sheets of clean records for approval in bulk: what was on them, which must be opened in full.
CREATE TABLE sheet (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    lines TEXT NOT NULL,                   -- JSON: outlet, heads seen, sample or not
    opened TEXT NOT NULL,                  -- JSON: outlets of the sample that were opened
    done_at INTEGER
) STRICT;

-- Sealed exports, as they were sealed. The seal itself is a signed reference document.
CREATE TABLE sealed_file (
    sha256 BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    bytes BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
