"""PostgreSQL: the pool, statements, tenancy, the embedded server and schema revisions."""
