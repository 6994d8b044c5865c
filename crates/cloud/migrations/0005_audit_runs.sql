-- Version 5: one entry of the audit chain for all events of a commit with their first decisions (docs/adr/0007).

-- Not NULL: the entry is over rows `row` to `last_row`, and the number is under the chain. Of these decisions the
-- first has `shared` = 1, as each had that has an entry of its own, and those that follow have 2.
ALTER TABLE audit ADD COLUMN last_row INTEGER;
