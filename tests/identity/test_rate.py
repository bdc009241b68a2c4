"""The limit on how often one client may try."""

import pytest

from roost.errors import ProblemError
from roost.web import rate
from roost.web.rate import RateLimit


def test_a_quota_is_for_each_client_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limit = RateLimit("login", quota=2, window=60.0)
    limit.take("a")
    limit.take("a")
    limit.take("b")
    with pytest.raises(ProblemError) as refused:
        limit.take("a")
    assert refused.value.headers == {
        "retry-after": "30",
        "ratelimit": '"login";r=0;t=30',
        "ratelimit-policy": '"login";q=2;w=60',
    }
    now += 30.0
    limit.take("a")
    with pytest.raises(ProblemError):
        limit.take("a")


def test_many_clients_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_MOST_CLIENTS", 3)
    limit = RateLimit("login", quota=1, window=60.0)
    for number in range(10):
        limit.take(str(number))
    assert len(limit._buckets) == 3
