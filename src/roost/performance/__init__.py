"""The database doctor: one file for each question that is asked of the database."""
