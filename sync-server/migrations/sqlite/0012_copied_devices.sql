-- When two devices last spoke with this key at the same time: its folder was copied. Empty in most.
ALTER TABLE members ADD COLUMN copied_at INTEGER;
