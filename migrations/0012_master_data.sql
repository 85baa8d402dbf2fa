-- Master data: a grant may open what an organisation stated of places and products, and a job counts the elements in the
-- headers of its documents. The three counts together are how far it came among them.

ALTER TABLE access.disclosure
    DROP CONSTRAINT disclosure_parts_check,
    ADD CONSTRAINT disclosure_parts_check CHECK (parts <@ '{item,what,where,why,how,more,master_data}');

ALTER TABLE work.capture_job
    ADD COLUMN elements_recorded  bigint NOT NULL DEFAULT 0,
    ADD COLUMN elements_unchanged bigint NOT NULL DEFAULT 0,  -- said already
    ADD COLUMN elements_malformed bigint NOT NULL DEFAULT 0;
