"""JSON whose numbers are kept digit by digit, where a float would lose some."""

from decimal import Decimal

from msgspec import Raw

MAX_PLACES = 1000
"""Zeros that an exponent may stand for; without a limit, few bytes could become gigabytes."""


def exactly(text: str) -> Raw:
    """Keep a number as PostgreSQL will write it, without an exponent; for msgspec's `float_hook`.

    ValueError when it has too many places.
    """
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(_out_of_range(text)) from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), number.adjusted()) > MAX_PLACES:
        raise ValueError(_out_of_range(text))
    return Raw(b"0" if not number and exponent > 0 else format(number, "f").encode())


def _out_of_range(text: str) -> str:
    return f"The number {text[:30]} has more than {MAX_PLACES} places"
