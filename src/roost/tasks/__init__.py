"""Tasks, their messages, and search."""
