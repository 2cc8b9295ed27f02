-- The collections whose records are in a sealed file: who may read the file may read these. NULL where nobody
-- knows, as in files that were sealed before this was kept: they are for those who see all collections.
ALTER TABLE sealed_file ADD COLUMN collections TEXT;
