"""The database doctor: trouble is made for real, and must be named."""
