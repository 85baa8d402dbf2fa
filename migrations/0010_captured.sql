-- Whoever waits for a capture is given the receipts of its events, whichever process ran it: the job keeps which they
-- are, [document, path, outcome, position, event_id] each, a thousand at most. NULL: nobody waited when
-- it was sent. Rows are removed with their jobs.
ALTER TABLE work.capture_job ADD COLUMN captured jsonb;
