"""PostgreSQL: the pool, statements, tenancy, sealing, the embedded server, schema revisions."""
