-- Accounts of the console, the API and the command line, and the chain of what the server
-- witnessed for them.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    login TEXT NOT NULL,
    login_key TEXT NOT NULL UNIQUE,        -- the login in lower case: two logins never differ by case alone
    name TEXT NOT NULL,
    person BLOB NOT NULL,                  -- the same person as on an enrolled device, where there is one
    role TEXT NOT NULL,                    -- admin | supervisor | viewer
    level TEXT,                            -- county | city, of a supervisor
    collections TEXT NOT NULL,             -- codes, comma-separated, sorted; empty: all (admins only)
    password TEXT NOT NULL,                -- argon2id, as a PHC string
    created_at INTEGER NOT NULL,
    password_at INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;

-- Every entry that this server signed as witness, in the order of its chain. Derived from the case
-- files; `link` is what the next entry names.
CREATE TABLE witnessed (
    seq INTEGER PRIMARY KEY,
    server BLOB NOT NULL,
    doc BLOB NOT NULL,
    entry BLOB NOT NULL UNIQUE,
    link BLOB NOT NULL,
    account TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX witnessed_by_doc ON witnessed (doc, seq);
CREATE INDEX witnessed_by_account ON witnessed (account, seq);
