"""Users: their profiles, their leaving, their data exported and erased."""
