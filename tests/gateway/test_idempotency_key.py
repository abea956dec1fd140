"""Idempotency-Key: the request id of a call, as a header."""

import pytest

from bedplate.errors import Refusal
from bedplate.gateway.beside import idempotency
from tests.gateway.wire import Wire, call

BOOKS = "/v1/books"
BODY = b'{"title": "emma"}'


@pytest.mark.parametrize("key", ['"k-1"', "k-1"])
async def test_the_header_is_the_request_id_and_a_repeat_gets_the_first_answer(library, key):
    async with Wire(library.address) as wire:
        first = await wire.call("POST", BOOKS, BODY, idempotency_key=key)
        again = await wire.call("POST", BOOKS, BODY, idempotency_key='"k-1"')
        by_field = await wire.call("POST", f"{BOOKS}?request_id=k-1", BODY)

    assert library.asked.request_id == "k-1"
    assert len(library.handlers.requests) == 1
    assert not first.has("idempotent-replayed")
    for repeat in (again, by_field):
        assert (repeat.status, repeat.json, repeat["location"]) == (201, first.json, "/v1/books/emma")
        assert repeat["idempotent-replayed"] == "true"


async def test_a_refusal_is_replayed_too(library):
    async with Wire(library.address) as wire:
        await wire.call("POST", BOOKS, BODY, idempotency_key="a")
        first = await wire.call("POST", BOOKS, BODY, idempotency_key="b")
        again = await wire.call("POST", BOOKS, BODY, idempotency_key="b")

    assert (first.status, first.json["reason"]) == (409, "BOOK_EXISTS")
    assert (again.status, again.json["reason"], again["idempotent-replayed"]) == (409, "BOOK_EXISTS", "true")


async def test_a_key_with_another_body_is_a_conflict(library):
    async with Wire(library.address) as wire:
        await wire.call("POST", BOOKS, BODY, idempotency_key='"k"')
        other = await wire.call("POST", BOOKS, b'{"title": "persuasion"}', idempotency_key='"k"')

    assert (other.status, other.json["reason"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(library.handlers.requests) == 1


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (f"{BOOKS}?request_id=a", BODY),
        (f"{BOOKS}?requestId=k", BODY),
        ("/v1/orders", b'{"requestId": "a", "book": {"title": "emma"}}'),
    ],
)
async def test_a_key_from_two_places_is_refused_and_both_are_named(library, target, body):
    reply = await call(library.address, "POST", target, body, idempotency_key='"k"')

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    assert "request_id" in reply.json["detail"]
    assert "idempotency-key" in reply.json["detail"]
    assert reply.json["violations"][0]["rule"] == "http.twice"
    assert library.handlers.requests == []


async def test_what_the_contract_asks_of_the_id_is_told_of_the_header(library):
    async with Wire(library.address) as wire:
        by_header = await wire.call("POST", BOOKS, BODY, idempotency_key="x" * 41)
        by_field = await wire.call("POST", f"{BOOKS}?request_id={'x' * 41}", BODY)
        missing = await wire.call("POST", BOOKS, BODY)

    assert [reply.status for reply in (by_header, by_field, missing)] == [400, 400, 400]
    assert by_header.json["violations"][0]["field"] == "idempotency-key"
    assert by_header.json["detail"].startswith("idempotency-key: ")
    assert "request_id" not in by_header.body.decode()
    assert by_field.json["violations"][0]["field"] == "request_id"
    assert missing.json["violations"][0]["field"] == "request_id"


@pytest.mark.parametrize(
    "value",
    [
        "",
        '""',
        '"a',
        'a"',
        '"a" b',
        '"a b"',
        "a b",
        "a, b",
        '"a";x=1',
        r'"a\b"',
        "x" * 256,
        f'"{"x" * 256}"',
        "k\xe9",
    ],
)
async def test_a_key_that_is_none_is_refused(library, value):
    reply = await call(library.address, "POST", BOOKS, BODY, idempotency_key=value)

    assert (reply.status, reply.json["reason"]) == (400, "HTTP_MALFORMED")
    assert "idempotency-key" in reply.json["detail"]
    assert library.handlers.requests == []


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"a"', "a"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("8e03978e-40d5-43dd-bc93-6f894a57f9f9", "8e03978e-40d5-43dd-bc93-6f894a57f9f9"),
        ("x" * 255, "x" * 255),
        ('"a,b;c"', "a,b;c"),
    ],
)
def test_a_key_is_read_with_quotes_or_without(value, key):
    assert idempotency.read(value) == key
    with pytest.raises(Refusal):
        idempotency.read(f"{value},{value}")


async def test_a_call_that_nobody_may_repeat_takes_no_key(library):
    reply = await call(library.address, "POST", "/v1/notes", b"{}", idempotency_key='"k"')

    assert (reply.status, reply.json["violations"][0]["field"]) == (400, "idempotency-key")
    assert library.handlers.requests == []


async def test_a_key_does_no_harm_where_a_repeat_does_none(library):
    async with Wire(library.address) as wire:
        read = await wire.call("GET", "/v1/notes/a", idempotency_key='"k"')
        lenient = await wire.call(
            "PATCH", "/v1/lenient/moby?updateMask=title", b'{"title": "x"}', idempotency_key='"k"'
        )

    assert (read.status, lenient.status) == (200, 200)
