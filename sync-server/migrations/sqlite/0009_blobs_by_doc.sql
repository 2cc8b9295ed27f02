-- Previews of a record, for review sheets.
CREATE INDEX blobs_by_doc ON blobs (doc, class, received_at);
