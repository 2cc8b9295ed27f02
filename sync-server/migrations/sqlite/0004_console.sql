-- Sessions of the console. Only a hash of the cookie is kept: who reads the database cannot sign in.
CREATE TABLE session (
    id BLOB PRIMARY KEY,           -- SHA-256 of the cookie's value
    login TEXT NOT NULL,
    made INTEGER NOT NULL,
    seen INTEGER NOT NULL,         -- to the minute
    remote TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Failed sign-ins, counted before the password is looked at, so that guesses in parallel count too.
CREATE TABLE sign_in_failure (
    about TEXT PRIMARY KEY,        -- login:NAME or address:IP
    count INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Filters that an account keeps under a name.
CREATE TABLE saved_view (
    login TEXT NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    PRIMARY KEY (login, name)
) STRICT, WITHOUT ROWID;
