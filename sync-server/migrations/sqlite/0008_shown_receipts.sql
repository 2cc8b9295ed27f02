-- Receipts of an earlier life of this database that devices have shown again: when a run, named by
-- its last change, was first received. Empty unless the database was restored from a backup.
CREATE TABLE shown_receipts (
    doc BLOB NOT NULL,
    last BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (doc, last)
) STRICT, WITHOUT ROWID;
