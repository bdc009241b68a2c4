"""Taking a cause's changes back, from the journal: the rows as they were before it."""
