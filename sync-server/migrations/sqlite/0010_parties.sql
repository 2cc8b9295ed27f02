-- Responsible parties of each row of the ledger (责任主体清单), so that the list of them is read page by
-- page. Derived like everything beside the ledger: the next start of the program fills it (meta `ledger_form`).

CREATE TABLE party (
    identity TEXT NOT NULL,                -- 'c' and the credit code, else 'n' and the name
    id INTEGER NOT NULL,                   -- of the ledger's row
    place INTEGER NOT NULL,                -- among the parties of the row
    "primary" INTEGER NOT NULL,
    department TEXT,                       -- 主管部门 of the outlet
    problems INTEGER NOT NULL,             -- open ones of the outlet
    PRIMARY KEY (identity, id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX party_of_row ON party (id);
