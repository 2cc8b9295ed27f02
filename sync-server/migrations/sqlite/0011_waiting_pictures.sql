-- Previews whose picture nobody has hashed yet: looking for them among all files took longer with each.
CREATE TABLE picture_waiting (preview BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO picture_waiting SELECT hash FROM blobs WHERE class = 0 AND withdrawn_at IS NULL AND bytes <= 2097152
    AND NOT EXISTS (SELECT 1 FROM picture p WHERE p.photo = coalesce(blobs.original, blobs.hash));
