"""What a request asks is cut out of its bytes, field by field."""

import pytest
from google.protobuf.internal import encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.records.asked import asked, difference
from tests.records.till import SellRequest

DESCRIPTOR = SellRequest.DESCRIPTOR
requests = st.builds(
    lambda **fields: SellRequest(**fields),
    request_id=st.text(max_size=3),
    item=st.sampled_from(["", "tea", "coffee"]),
    amount_minor=st.integers(-(2**63), 2**63 - 1),
    lines=st.lists(st.builds(dict, item=st.text(max_size=2), count=st.integers(0, 300)), max_size=3),
    tags=st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=4),
)


def said(request, *, without=frozenset(), salt=b"salt") -> bytes:
    return asked(request, without=without, salt=salt)


@settings(deadline=None)
@given(requests, requests)
def test_two_requests_differ_in_the_first_field_that_differs(one, other) -> None:
    names = [
        field.name for field in DESCRIPTOR.fields if getattr(one, field.name) != getattr(other, field.name)
    ]

    assert difference(said(one), said(other), DESCRIPTOR) == (names[0] if names else "")


@settings(deadline=None)
@given(requests)
def test_the_same_request_asks_the_same_however_it_came(request) -> None:
    copy = SellRequest.FromString(request.SerializeToString())

    assert said(copy) == said(request)


def test_fields_left_out_make_no_difference() -> None:
    one, other = SellRequest(request_id="a", item="tea"), SellRequest(request_id="b", item="tea")

    assert said(one, without=frozenset({1})) == said(other, without=frozenset({1}))
    assert difference(said(one), said(other), DESCRIPTOR) == "request_id"


def test_digests_of_equal_values_tell_nobody_that_they_are_equal() -> None:
    request = SellRequest(item="tea")

    assert said(request) != said(request, salt=b"another")


@pytest.mark.parametrize(
    "value",
    [
        b"\x08\xff\x7f",
        b"\x09" + bytes(8),
        b"\x0a\x03abc",
        b"\x0d" + bytes(4),
        b"\x0b\x10\x01\x13\x1b\x1c\x14\x0c",
    ],
)
def test_unknown_fields_of_every_wire_type_take_part(value: bytes) -> None:
    """Each is field 1 in the text, and is sent as field 33 here."""
    kind = value[0] & 7
    tag = encoder.TagBytes(33, kind)
    end = encoder.TagBytes(33, 4) if kind == 3 else b""
    body = value[1:-1] if kind == 3 else value[1:]
    newer = SellRequest.FromString(SellRequest(item="tea").SerializeToString() + tag + body + end)

    assert difference(said(newer), said(SellRequest(item="tea")), DESCRIPTOR) == "field 33"
    assert difference(said(newer), said(newer), DESCRIPTOR) == ""
