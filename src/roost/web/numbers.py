"""JSON whose numbers are kept digit by digit, where a float would lose some."""

from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Raw

MAX_PLACES = 1000
"""Zeros that an exponent may stand for; without a limit, few bytes could become gigabytes."""


def exactly(text: str) -> Raw:
    """Keep a number as PostgreSQL will write it, without an exponent; for msgspec's `float_hook`.

    ValueError when it has too many places.
    """
    if len(text) <= MAX_PLACES and "e" not in text and "E" not in text:
        return Raw(text.encode())
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


class Number(Decimal):
    """A number with a point or an exponent, to be reckoned with; written without an exponent."""


def _written_out(value: object) -> Raw:
    if isinstance(value, Number):
        return Raw(format(value, "f").encode())
    message = f"{type(value).__name__} is no value of JSON"
    raise NotImplementedError(message)


read_numbers: Final = msgspec.json.Decoder(float_hook=Number).decode
"""Reads JSON whose numbers are to be reckoned with."""
write_numbers: Final = msgspec.json.Encoder(enc_hook=_written_out).encode
"""Writes it again."""
write_sorted: Final = msgspec.json.Encoder(order="sorted", enc_hook=_written_out).encode
"""Writes it with the names sorted."""
