-- The rows of the newest events, for a check of the index that goes on from an earlier one: without an index by position
-- it reads whole tables. Rows lie in the order of their positions, so the least and largest of each 64 pages are enough.
-- On 64 positions at a time, which no other query asks for, so that the plans of all others stay as they are. Rows
-- that are not summarized yet are looked at. Appends wait while it is made: some two seconds for a million events.
CREATE INDEX posting_position ON ledger.posting USING brin ((position >> 6)) WITH (pages_per_range = 64, autosummarize = on);
CREATE INDEX mark_position ON ledger.mark USING brin ((position >> 6)) WITH (pages_per_range = 64, autosummarize = on);
CREATE INDEX edge_position ON ledger.edge USING brin ((position >> 6)) WITH (pages_per_range = 64, autosummarize = on);
