"""Which requests are traced from the start: a parent's decision, or a share of all."""

from typing import NamedTuple

from roost.telemetry.trace_context import Parent

_TRACE_ID_SPACE = 1 << 64


class Sampler(NamedTuple):
    """A head sampler that costs one comparison.

    `share` is the bound below which the low 64 bits of a trace id are sampled (the rule of
    OpenTelemetry's TraceIdRatioBased, so that services with one ratio agree).
    """

    follow_parent: bool
    share: int

    @classmethod
    def of(cls, ratio: float, *, follow_parent: bool) -> "Sampler":
        """Make a sampler that takes `ratio` (0 to 1) of the traces that start here."""
        return cls(follow_parent, round(ratio * _TRACE_ID_SPACE))

    def samples(self, parent: Parent | None, trace_id: str) -> bool:
        """Decide for one request; `trace_id` is in hexadecimal."""
        if parent is not None and self.follow_parent:
            return parent.sampled
        return int(trace_id[-16:], 16) < self.share
