"""JSON schemas that no struct has."""

from typing import Any

from roost import errors

PROBLEM = {"$ref": "#/components/schemas/Problem"}
PAGINATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "page": {"type": ["integer", "null"], "description": "Null when paging by cursor."},
        "limit": {"type": "integer"},
        "total": {"type": "integer", "description": "Up to 10,000."},
        "totalIsExact": {"type": "boolean", "description": "False: there are more than `total`."},
        "totalPages": {"type": "integer"},
        "nextCursor": {"type": ["string", "null"], "description": "Null on the last page."},
    },
    "required": ["page", "limit", "total", "totalIsExact", "totalPages", "nextCursor"],
}


def problem_schema() -> dict[str, Any]:
    """Describe a problem document (RFC 9457)."""
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "The page of this kind of problem."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": sorted(errors.CATALOGUE)},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string"},
                        "message": {"type": "string"},
                        "code": {"type": "string"},
                    },
                    "required": ["field", "message", "code"],
                },
            },
            "requestId": {"type": "string"},
            "traceId": {"type": "string", "description": "the trace, as in `traceparent`"},
            "hint": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code", "errors", "requestId"],
    }


def schema_hook(kind: type) -> dict[str, Any]:
    """Describe types that msgspec does not know; raises NotImplementedError for all others."""
    raise NotImplementedError(kind)
