"""Where answers are kept: within its bytes, the longest unused first out, dropped together."""

import pytest

from bedplate.cache.entry import OVERHEAD_BYTES, Entry, Key, refusal_body, refusal_of
from bedplate.cache.level import LocalLevel
from bedplate.errors import Kind, Refusal, Violation


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(name: str, *, method: str = "a.v1.A/Get", tenant: str = "t", principal: str = "") -> Key:
    return Key(method, tenant, name.encode(), principal)


def entry(size: int, *, until: float = 2000.0) -> Entry:
    return Entry(bytes(size - OVERHEAD_BYTES), True, (), 1000.0, until, until)


@pytest.fixture
def level() -> LocalLevel:
    return LocalLevel(10_000, clock=Clock())


def test_what_does_not_fit_any_more_pushes_out_the_longest_unused(level: LocalLevel) -> None:
    for name in "abcdefghij":
        level.keep(key(name), entry(1000))
    assert (level.bytes, len(level), level.evicted) == (10_000, 10, 0)

    level.find(key("a"))
    level.keep(key("k"), entry(1000))

    assert level.find(key("b")) is None
    assert level.find(key("a")) is not None
    assert (level.bytes, len(level), level.evicted) == (10_000, 10, 1)


def test_an_answer_above_an_eighth_of_the_room_is_not_kept(level: LocalLevel) -> None:
    level.keep(key("fits"), entry(1250))
    level.keep(key("too large"), entry(1251))

    assert level.find(key("fits")) is not None
    assert level.find(key("too large")) is None


def test_an_answer_that_is_too_large_still_takes_the_place_of_the_one_before(level: LocalLevel) -> None:
    level.keep(key("a"), entry(1000))

    level.keep(key("a"), entry(2000))

    assert level.find(key("a")) is None
    assert (level.bytes, len(level)) == (0, 0)


def test_an_answer_is_gone_at_its_end_and_its_bytes_with_it(level: LocalLevel) -> None:
    clock = level._clock
    level.keep(key("a"), entry(1000, until=1010.0))

    clock.now = 1009.9  # type: ignore[attr-defined]
    assert level.find(key("a")) is not None
    clock.now = 1010.0  # type: ignore[attr-defined]
    assert level.find(key("a")) is None
    assert (level.bytes, len(level)) == (0, 0)


def test_no_room_means_nothing_is_kept() -> None:
    level = LocalLevel(0, clock=Clock())

    level.keep(key("a"), entry(1000))

    assert level.find(key("a")) is None


def test_answers_are_dropped_by_method_tenant_and_request(level: LocalLevel) -> None:
    kept = {
        "mine": key("x", principal="p"),
        "its other principal's": key("x", principal="q"),
        "another request": key("y"),
        "another tenant's": key("x", tenant="u"),
        "another method's": key("x", method="a.v1.A/List"),
    }

    def left() -> set[str]:
        return {name for name, one in kept.items() if level.find(one) is not None}

    def fill() -> None:
        for one in kept.values():
            level.keep(one, entry(900))

    fill()
    level.forget("a.v1.A/Get", "t", b"x")
    assert left() == {"another request", "another tenant's", "another method's"}
    fill()
    level.forget("a.v1.A/Get", "t", None)
    assert left() == {"another tenant's", "another method's"}
    fill()
    level.forget("a.v1.A/Get", None, b"x")
    assert left() == {"another request", "another method's"}
    fill()
    level.forget("a.v1.A/Get", None, None)
    assert left() == {"another method's"}
    level.forget("a.v1.A/List", "t", None)
    assert (level._groups, level.bytes) == ({}, 0)


def test_a_refusal_is_the_same_after_it_was_kept() -> None:
    refusal = Refusal(
        Kind.NOT_FOUND,
        "THING_NOT_FOUND",
        "There is none.",
        violations=[Violation("name", "Say another.", "x.known")],
        retry_after_s=1.5,
        tried=["a", "b"],
        count=3,
    )

    again = refusal_of(refusal_body(refusal))

    assert vars(again) == vars(refusal)
