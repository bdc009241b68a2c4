"""The error catalogue: every problem Roost answers with, in one place.

Each entry has a stable code, the HTTP status and a page under `/docs/errors/`.
Wire format: RFC 9457 `application/problem+json`.
"""

from roost.errors.access import *  # noqa: F403 -- the entries, whose names are their codes
from roost.errors.catalogue import CATALOGUE as CATALOGUE
from roost.errors.catalogue import Entry as Entry
from roost.errors.conflicts import *  # noqa: F403 -- likewise
from roost.errors.executions import *  # noqa: F403 -- likewise
from roost.errors.failures import *  # noqa: F403 -- likewise
from roost.errors.missing import *  # noqa: F403 -- likewise
from roost.errors.problem import FieldError as FieldError
from roost.errors.problem import ProblemError as ProblemError
from roost.errors.requests import *  # noqa: F403 -- likewise
