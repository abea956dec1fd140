"""What one address may try without showing who it is."""

import pytest

from bedplate.quota import address as address_module
from bedplate.quota.address import FAILURE_COST, AddressBudget, source
from tests.quota.conftest import SetClock

HOME = "ipv4:192.0.2.1:4711"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv4:192.0.2.1:1", "192.0.2.1"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::9%5D:80", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:3::9]:80", "2001:db8:1:3::/64"),
        ("ipv6:[::1]:80", "::/64"),
        ("ipv6:[fe80::1%25eth0]:80", "fe80::/64"),
        ("ipv6:[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("unix:", ""),
        ("unix:/run/x", ""),
        ("local:", ""),
        ("", ""),
    ],
)
def test_an_address_is_what_one_caller_has(peer: str, address: str) -> None:
    assert source(peer) == address


def test_so_many_failures_are_let_pass_and_the_next_must_wait_exactly_as_long_as_it_is_told(
    clock: SetClock,
) -> None:
    budget = AddressBudget(10.0, 20 * FAILURE_COST, clock=clock)
    for _ in range(20):
        assert not budget.blocked
        budget.fail(HOME)

    wait_s = budget.wait_s("ipv4:192.0.2.1:1")
    assert wait_s == pytest.approx(FAILURE_COST / 10.0)
    assert budget.wait_s("ipv4:192.0.2.2:1") == 0
    clock.now += wait_s - 0.001
    assert budget.wait_s(HOME) > 0
    clock.now += 0.001
    assert budget.wait_s(HOME) == 0
    budget.fail(HOME)
    assert budget.wait_s(HOME) == pytest.approx(wait_s)


def test_calls_that_anyone_may_make_are_counted_by_address(clock: SetClock) -> None:
    budget = AddressBudget(10.0, 50, clock=clock)

    waits = [budget.call_wait_s(HOME) for _ in range(51)]

    assert waits == [0.0] * 50 + [pytest.approx(0.1)]
    assert budget.call_wait_s("ipv4:192.0.2.2:1") == 0
    assert budget.refused == 1


def test_who_has_no_address_is_not_counted(clock: SetClock) -> None:
    budget = AddressBudget(0.001, FAILURE_COST, clock=clock)
    for peer in ("unix:", "local:", ""):
        for _ in range(100):
            budget.fail(peer)

            assert budget.call_wait_s(peer) == budget.wait_s(peer) == 0


def test_whose_time_is_over_is_forgotten(clock: SetClock) -> None:
    budget = AddressBudget(10.0, FAILURE_COST, clock=clock)
    for number in range(100):
        budget.fail(f"ipv4:192.0.2.{number}:1")
    assert len(budget.blocked) == 100

    clock.now += 10.0

    assert budget.wait_s("ipv4:198.51.100.1:1") == 0
    assert not budget.blocked


def test_no_more_addresses_are_blocked_at_once_than_the_bound(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_module, "BLOCKED_MAX", 10)
    budget = AddressBudget(0.001, FAILURE_COST, clock=clock)
    for number in range(100):
        budget.fail(f"ipv4:192.0.2.{number}:1")

        assert len(budget.blocked) <= 10

    assert budget.wait_s("ipv4:192.0.2.99:1") > 0
