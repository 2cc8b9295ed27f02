-- Text search, split at blanks by the simplest tokenizer: the words come folded (small letters, half-width
-- forms), there is nothing of Unicode left to do. The next start of the program fills it (meta `ledger_form`).
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (grams, content = '', contentless_delete = 1, tokenize = "ascii");
