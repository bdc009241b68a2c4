"""Fixtures every room's tests may use."""

from tests.support.postgres import data_dir, postgres, scratch_database
from tests.support.schema import fresh_roost_database, roost_database, template

__all__ = [
    "data_dir",
    "fresh_roost_database",
    "postgres",
    "roost_database",
    "scratch_database",
    "template",
]
