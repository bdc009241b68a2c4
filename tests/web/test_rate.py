"""The limit on how often one client may do a thing, as one worker counts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import ProblemError
from roost.redis import connect
from roost.settings import SettingsError
from roost.web.rate import Limits, buckets, network_of
from roost.web.rate.buckets import LocalBuckets, Policy, Taken
from roost.web.reply import Reply

policies = st.builds(Policy, st.just("test"), quota=st.integers(1, 50), window=st.integers(1, 3600))
gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 5), st.floats(0, 10_000)), min_size=1, max_size=80
)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def worst_excess(policy: Policy, allowed: Sequence[float]) -> float:
    """Give by how much the fullest stretch of time goes beyond what the policy allows."""
    return max(
        (last - first + 1) - (policy.quota + policy.rate * (allowed[last] - allowed[first]))
        for first in range(len(allowed))
        for last in range(first, len(allowed))
    )


@given(policies, gaps)
def test_no_stretch_of_time_has_more_than_the_quota_and_what_came_back(
    policy: Policy, gaps: list[float]
) -> None:
    clock = Time()
    local = LocalBuckets(policy, clock)
    allowed = []
    for gap in gaps:
        clock.now += gap
        if local.take("somebody").allowed:
            allowed.append(clock.now)
    assert worst_excess(policy, allowed) < 1e-6


@given(policies, gaps)
def test_whoever_waits_as_told_is_let_in(policy: Policy, gaps: list[float]) -> None:
    clock = Time()
    local = LocalBuckets(policy, clock)
    for gap in gaps:
        clock.now += gap
        taken = local.take("somebody")
        assert 0 <= taken.left < policy.quota
        assert taken.allowed or taken.whole == 0
        if not taken.allowed:
            clock.now += taken.wait(policy) + 0.001
            assert local.take("somebody").allowed


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    assert buckets.take(Policy("test", 10, 10), 5.0, -3600.0) == Taken(allowed=True, left=4.0)


async def test_a_quota_is_for_each_client_and_comes_back() -> None:
    clock = Time()
    limiter = Limits(clock=clock).limit("login", quota=2, window=60)
    assert (await limiter.take("a")).headers == {
        "ratelimit": '"login";r=1;t=30',
        "ratelimit-policy": '"login";q=2;w=60',
    }
    await limiter.take("a")
    await limiter.take("b")
    clock.now += 12.0
    with pytest.raises(ProblemError) as refused:
        await limiter.take("a")
    assert refused.value.entry.code == "RATE_LIMITED"
    assert refused.value.headers == {
        "retry-after": "18",
        "ratelimit": '"login";r=0;t=18',
        "ratelimit-policy": '"login";q=2;w=60',
    }
    clock.now += 18.0
    await limiter.take("a")
    with pytest.raises(ProblemError):
        await limiter.take("a")


async def test_an_answer_tells_what_is_left() -> None:
    allowance = await Limits(clock=Time()).limit("tokens", quota=30, window=60).take("a")
    assert allowance.tell(Reply(status=204)).headers == [
        (b"ratelimit", b'"tokens";r=29;t=2'),
        (b"ratelimit-policy", b'"tokens";q=30;w=60'),
    ]


async def test_a_limit_that_is_asked_for_twice_counts_once() -> None:
    limits = Limits(clock=Time())
    for left in (1, 0):
        allowance = await limits.limit("tokens", quota=2, window=60).take("a")
        assert allowance.left == left


async def test_limits_of_two_names_count_apart() -> None:
    limits = Limits(clock=Time())
    one, other = (limits.limit(name, quota=1, window=60) for name in ("one", "other"))
    await one.take("a")
    await other.take("a")
    await limits.check()


def test_many_clients_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MOST_CLIENTS", 3)
    local = LocalBuckets(Policy("test", 1, 60), Time())
    for number in range(10):
        local.take("loud")
        local.take(str(number))
    assert set(local._buckets) == {"8", "loud", "9"}
    assert not local.take("loud").allowed


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "not an address"),
        ("", ""),
    ],
)
def test_a_site_of_ipv6_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_url_that_redis_cannot_use_is_told_as_a_setting() -> None:
    with pytest.raises(SettingsError, match="ROOST_REDIS_URL"):
        connect("redis://localhost?db=first")
