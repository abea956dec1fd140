"""Page tokens: what was encoded comes back, for the same query, tenant and principal only."""

import datetime
import os
import stat

import pytest
from google.protobuf import empty_pb2
from hypothesis import given
from hypothesis import strategies as st

from bedplate.data.page import TOKEN_MAX_CHARS, PageTokens, fingerprint, load_or_create_key
from bedplate.errors import Kind, Refusal
from bedplate.ledger.v1 import ledger_pb2

TOKENS = PageTokens(b"k" * 32)
FOR = {"query": b"q" * 32, "tenant": "acme", "principal": "key/1"}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=50),
    st.binary(max_size=50),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
CURSORS = st.lists(VALUES, max_size=4).map(tuple)


def _refused(token: str, tokens: PageTokens = TOKENS, **changed: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        tokens.decode(token, **{**FOR, **changed})
    return caught.value


@given(CURSORS)
def test_a_cursor_comes_back_as_it_went(cursor):
    token = TOKENS.encode(cursor, **FOR)

    assert TOKENS.decode(token, **FOR) == cursor
    assert token.isascii()
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(CURSORS, st.data())
def test_a_token_with_any_character_changed_is_refused(cursor, data):
    token = TOKENS.encode(cursor, **FOR)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[at]))

    refusal = _refused(token[:at] + other + token[at + 1 :])

    assert (refusal.kind, refusal.reason) == (Kind.INVALID, "PAGE_TOKEN_INVALID")
    assert refusal.violations[0].field == "page_token"


@given(st.text(min_size=1))
def test_what_is_no_token_is_refused(text):
    _refused(text)


@given(CURSORS, st.data())
def test_a_shortened_or_lengthened_token_is_refused(cursor, data):
    token = TOKENS.encode(cursor, **FOR)

    _refused(token[: data.draw(st.integers(1, len(token) - 1))])
    _refused(token + data.draw(st.sampled_from(["A", "=", "==", "\n", " ", "AAAA"])))


@pytest.mark.parametrize(
    "changed",
    [
        {"query": b"r" * 32},
        {"tenant": "acme2"},
        {"tenant": ""},
        {"principal": "key/2"},
        # The same bytes in a row, cut elsewhere.
        {"tenant": "acmek", "principal": "ey/1"},
        {"query": b"q" * 31, "tenant": "qacme"},
    ],
)
def test_a_token_of_another_query_tenant_or_principal_is_refused(changed):
    _refused(TOKENS.encode((1,), **FOR), **changed)


def test_a_token_of_another_key_is_refused_unless_the_key_was_ours_before():
    token = TOKENS.encode((1,), **FOR)

    _refused(token, PageTokens(b"n" * 32))

    assert PageTokens(b"n" * 32, b"k" * 32).decode(token, **FOR) == (1,)


def test_an_empty_token_is_the_first_page():
    assert TOKENS.decode("", **FOR) == ()


def test_a_token_has_a_longest_length():
    room = (TOKEN_MAX_CHARS * 3) // 4 - 1 - 12 - 16 - len('[""]')

    at_the_bound = TOKENS.encode(("x" * room,), **FOR)

    assert TOKENS.decode(at_the_bound, **FOR) == ("x" * room,)
    with pytest.raises(ValueError, match="too long"):
        TOKENS.encode(("x" * (room + 1),), **FOR)
    _refused("A" * (TOKEN_MAX_CHARS + 1))


def test_a_float_is_no_cursor():
    with pytest.raises(TypeError, match="float"):
        TOKENS.encode((1.5,), **FOR)


def test_the_fingerprint_is_of_the_query_and_not_of_the_page():
    paged = [
        name
        for name, message in vars(ledger_pb2).items()
        if name.startswith("List") and name.endswith("Request")
    ]
    assert paged
    for name in paged:
        request = getattr(ledger_pb2, name)()
        first = fingerprint(request)
        request.page_size, request.page_token = 7, "token"

        assert fingerprint(request) == first
        assert (request.page_size, request.page_token) == (7, "token")
    assert len({fingerprint(getattr(ledger_pb2, name)()) for name in paged}) == len(paged)
    assert fingerprint(empty_pb2.Empty()) != first


def test_a_key_is_made_once_and_for_the_owner_only(tmp_path):
    path = tmp_path / "keys" / "page.key"

    key = load_or_create_key(path)

    assert len(key) == 32
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert load_or_create_key(path) == key
    assert os.listdir(path.parent) == ["page.key"]


def test_a_key_that_others_may_read_or_of_another_length_is_refused(tmp_path):
    path = tmp_path / "page.key"
    load_or_create_key(path)
    os.chmod(path, 0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        load_or_create_key(path)
    os.chmod(path, 0o600)
    path.write_bytes(b"k" * 31)
    with pytest.raises(ValueError, match="no key of 32 bytes"):
        load_or_create_key(path)
