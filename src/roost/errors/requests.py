"""Problems with the request itself."""

from roost.errors.catalogue import entry as _entry

MALFORMED_BODY = _entry(
    "MALFORMED_BODY",
    400,
    "The body is not valid JSON",
    "The request's body could not be read as JSON. The detail names the byte where reading "
    "stopped. Bodies are UTF-8; a lone surrogate escape such as `\\ud800` is not a character.",
    "Send one JSON document with `Content-Type: application/json`.",
)
VALIDATION_ERROR = _entry(
    "VALIDATION_ERROR",
    400,
    "The request is not valid",
    "A field or parameter has the wrong type or value, is missing, or is unknown. `errors` lists "
    "each by name. Nothing was changed.",
)
UNSUPPORTED_MEDIA_TYPE = _entry(
    "UNSUPPORTED_MEDIA_TYPE",
    415,
    "The body's media type is not supported",
    "Roost reads JSON bodies: `application/json`, and `application/merge-patch+json` for PATCH.",
    "Send `Content-Type: application/json`.",
)
BODY_TOO_LARGE = _entry(
    "BODY_TOO_LARGE",
    413,
    "The body is too large",
    "The request's body is larger than this route takes. It was not read to its end, and nothing "
    "was changed.",
    "Split the request; `POST /tasks/batch` takes up to 1,000 operations a request.",
)
REQUEST_TIMEOUT = _entry(
    "REQUEST_TIMEOUT",
    408,
    "The body took too long",
    "The request's body did not arrive in time, and nothing was changed. A body has a minute in "
    "all, a dump of a browser ten.",
    "Send the request again, at once and in one piece.",
)
ROUTE_NOT_FOUND = _entry(
    "ROUTE_NOT_FOUND",
    404,
    "There is no such route",
    "The path is not one of Roost's. Paths are case-sensitive.",
    "See `/docs` for every route.",
)
METHOD_NOT_ALLOWED = _entry(
    "METHOD_NOT_ALLOWED",
    405,
    "The route does not take this method",
    "The path exists, with other methods: the `Allow` header lists them.",
)
RATE_LIMITED = _entry(
    "RATE_LIMITED",
    429,
    "Too many requests",
    "This client has sent more requests than the route takes in its window.",
    "Wait for the number of seconds in `Retry-After`.",
)
