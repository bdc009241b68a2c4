"""Where items go: one module a table, all with the same verbs."""
