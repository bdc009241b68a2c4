"""Schema revisions, oldest first. `isolation.py` has what each of them needs for its tables."""
