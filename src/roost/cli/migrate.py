"""placeholder"""


def migrate() -> None:
    """Migrate."""
