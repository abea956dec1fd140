"""Metadata by name, on every door alike."""

from typing import Any

import pytest

from bedplate.transport.metadata import Sent, named

PAIRS: list[tuple[tuple[str, str | bytes], ...]] = [
    (),
    (("a", "1"),),
    (("a", "1"), ("b", "2")),
    (("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")),
    (("a", ""), ("a", "2")),
    (("k-bin", b"1"), ("k-bin", b"2")),
]


@pytest.mark.parametrize("pairs", PAIRS)
def test_what_grpc_hands_over_reads_like_a_dict_of_it(pairs: Any) -> None:
    sent, expected = Sent(pairs), named(pairs)

    assert dict(sent) == expected
    assert len(sent) == len(expected)
    assert [sent.get(name) for name in "abc"] == [expected.get(name) for name in "abc"]
    assert ("a" in sent) == ("a" in expected)
    assert sent.get("absent", "instead") == "instead"
    with pytest.raises(KeyError):
        sent["absent"]


def test_what_was_sent_twice_is_one_value_with_commas() -> None:
    assert Sent((("a", "1"), ("a", "2"))).get("a") == "1,2"
    assert Sent((("a-bin", b"1"), ("a-bin", b"2"))).get("a-bin") == b"2"
