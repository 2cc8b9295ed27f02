-- The ledger's tables for questions of pages and interfaces. Everything here is derived from
-- `documents`; the next start of the program fills it (meta `ledger_form`).

DROP TABLE ledger;

-- The row as JSON is what a row says; `inventory` repeats what is filtered and sorted by.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,                -- kept by a rebuild; below 2^32, bitmaps hold it
    outlet BLOB NOT NULL UNIQUE,           -- collection and UUID of the field record
    collection INTEGER NOT NULL,
    version INTEGER NOT NULL,              -- of the ledger (meta `ledger_version`) when the row changed
    row TEXT NOT NULL,
    findings TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_by_version ON ledger (version);

-- Narrow, so that walking it is cheap. Days are days since 1970-01-01.
CREATE TABLE inventory (
    id INTEGER PRIMARY KEY,
    county TEXT, unit TEXT, township TEXT, waterbody TEXT, basin TEXT, section TEXT,
    class TEXT, proposed TEXT, state TEXT, review TEXT, type TEXT, scale TEXT,
    entry_mode TEXT, discharge TEXT, dry_weather TEXT, sign TEXT, approval TEXT, set_up TEXT,
    problem TEXT,                          -- codes of open problems, separated by commas
    flag TEXT,                             -- likewise
    problems INTEGER NOT NULL,
    due INTEGER,                           -- of a plan that is not accepted yet
    name TEXT, number TEXT, party TEXT,
    surveyed_on INTEGER, sampled_on INTEGER, traced_on INTEGER, decided_on INTEGER,
    plan_due INTEGER, completed_on INTEGER, accepted_on INTEGER,
    lon REAL, lat REAL,
    cell INTEGER,                          -- Morton number of the web-mercator tile of level 24
    text TEXT NOT NULL                     -- what text search looks at, folded
) STRICT;
CREATE INDEX inventory_by_name ON inventory (name) WHERE name IS NOT NULL;
CREATE INDEX inventory_by_number ON inventory (number) WHERE number IS NOT NULL;
CREATE INDEX inventory_by_party ON inventory (party) WHERE party IS NOT NULL;
CREATE INDEX inventory_by_surveyed_on ON inventory (surveyed_on) WHERE surveyed_on IS NOT NULL;
CREATE INDEX inventory_by_sampled_on ON inventory (sampled_on) WHERE sampled_on IS NOT NULL;
CREATE INDEX inventory_by_traced_on ON inventory (traced_on) WHERE traced_on IS NOT NULL;
CREATE INDEX inventory_by_decided_on ON inventory (decided_on) WHERE decided_on IS NOT NULL;
CREATE INDEX inventory_by_plan_due ON inventory (plan_due) WHERE plan_due IS NOT NULL;
CREATE INDEX inventory_by_completed_on ON inventory (completed_on) WHERE completed_on IS NOT NULL;
CREATE INDEX inventory_by_accepted_on ON inventory (accepted_on) WHERE accepted_on IS NOT NULL;
CREATE INDEX inventory_by_cell ON inventory (cell, lon, lat) WHERE cell IS NOT NULL;

-- Which rows have a value: one bitmap per 65,536 ids, with its count. Combining any filters is
-- combining bitmaps, and the counts of the dashboard are sums of `count`.
CREATE TABLE posting (
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,                   -- '' = nothing recorded
    chunk INTEGER NOT NULL,                -- id >> 16
    count INTEGER NOT NULL,
    bits BLOB NOT NULL,                    -- a Roaring bitmap in its portable format
    PRIMARY KEY (dimension, value, chunk)
) STRICT, WITHOUT ROWID;

-- Outlets per map cell, for the clusters of low zoom levels.
CREATE TABLE grid (
    level INTEGER NOT NULL,
    cell INTEGER NOT NULL,                 -- Morton number at that level
    collection INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (level, cell, collection)
) STRICT, WITHOUT ROWID;

-- Text search. The words are made by the program (two signs of Chinese, three of anything else, at
-- every place), so that a phrase of them is any piece of text; FTS5 itself only splits at blanks.
CREATE VIRTUAL TABLE words USING fts5 (
    grams, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 0"
);
