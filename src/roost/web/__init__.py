"""The delivery kit: principal and guards, problem details, paging, ETags, idempotency."""
