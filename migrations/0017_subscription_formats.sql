-- In which form a subscription's events are delivered, as JSON: what its request wished for. NULL: JSON with Digital Links.
ALTER TABLE work.subscription ADD COLUMN wish text;
