"""Reading query strings into structs; unknown parameters are refused by name."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.web.body import refusal

_REMEMBERED, _LONG = 1000, 500


class QueryReader:
    """Reads one struct from query strings. Fields typed as lists may repeat or have commas."""

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self.struct = struct
        info = msgspec.inspect.type_info(struct)
        assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 -- told by the signature
        self._lists = {found.encode_name for found in info.fields if _is_list(found.type)}
        self._texts = {
            found.encode_name for found in info.fields if _has(found.type, msgspec.inspect.StrType)
        }
        self._moments = {
            found.encode_name
            for found in info.fields
            if _has(found.type, msgspec.inspect.DateTimeType)
        }
        self._names = {found.encode_name: found.encode_name for found in info.fields}
        # Both spellings, as in `sortBy` and `sort_by`.
        self._names |= {found.name: found.encode_name for found in info.fields}
        self._fields = {found.encode_name: found.name for found in info.fields}
        self._has_secret = "token" in self._names
        self._known: dict[bytes, msgspec.Struct] = {}

    def read(self, raw: bytes) -> Any:  # noqa: ANN401 -- the struct given at the start
        """Read a raw query string; VALIDATION_ERROR names the parameter that is wrong.

        What was read is remembered: structs of parameters are frozen.
        """
        found = self._known.get(raw)
        if found is None:
            found = self._read(raw)
            if self._has_secret or len(raw) > _LONG:
                return found
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[raw] = found
        return found

    def _read(self, raw: bytes) -> msgspec.Struct:
        values: dict[str, Any] = {}
        for given, value in self._pairs(raw):
            name = self._names.get(given)
            if name is None:
                raise invalid(given, "is not a parameter of this route", "unknown")
            if name in self._lists:
                parts = [part for part in value.split(",") if part]
                values.setdefault(name, []).extend(parts)
            elif value.lower() == "null" and name not in self._texts:
                # msgspec would read the word as "not given".
                raise invalid(name, "can't be null: leave it out", "type")
            elif name in self._moments and ":" not in value:
                # msgspec would read a number as seconds.
                raise invalid(name, "must be a date and time (RFC 3339)", "type")
            elif name in values:
                raise invalid(name, "was given more than once", "repeated")
            else:
                values[name] = value
        try:
            found = msgspec.convert(values, self.struct, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(error, self.struct) from error
        for name in self._moments & values.keys():
            _require_in_range(name, getattr(found, self._fields[name]))
        return found

    def _pairs(self, raw: bytes) -> list[tuple[str, str]]:
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
            )
        except (UnicodeDecodeError, ValueError) as error:
            raise ProblemError(
                errors.VALIDATION_ERROR, f"the query string is not valid: {error}"
            ) from error
        for name, value in pairs:
            if "\x00" in value or "\x00" in name:
                raise invalid(name.replace("\x00", ""), "has a NUL character", "nul_character")
        return pairs


def invalid(name: str, message: str, code: str = "invalid") -> ProblemError:
    """Say what is wrong with one parameter or field."""
    return ProblemError(
        errors.VALIDATION_ERROR, f"{name} {message}", errors=[FieldError(name, message, code)]
    )


def _require_in_range(name: str, moment: datetime) -> None:
    """Refuse a moment that is of the years 1 to 9999 in its own zone only, not in UTC."""
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise invalid(name, "is out of range") from error


def _has(kind: object, wanted: type) -> bool:
    """Whether the type is one of that kind, or may be."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _has(kind.type, wanted)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_has(inner, wanted) for inner in kind.types)
    return isinstance(kind, wanted)


def _is_list(kind: object) -> bool:
    return _has(kind, msgspec.inspect.ListType) or _has(kind, msgspec.inspect.VarTupleType)
