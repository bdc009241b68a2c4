"""Fixtures every room's tests may use."""

from hypothesis import HealthCheck, settings

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

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
