"""Clients' clauses: read by PostgreSQL's own parser, printed anew from what is allowed."""
