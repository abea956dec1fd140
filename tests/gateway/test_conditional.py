"""Conditions of reads and of writes: etag, if-none-match, if-match."""

import pytest

from bedplate.contract.bindings import Binding
from bedplate.gateway.beside import conditional, lenient, tags
from bedplate.gateway.beside.conditional import etag_place
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.routes import parse
from tests.gateway.library import SERVICE
from tests.gateway.plans import method_of, request
from tests.gateway.wire import Wire, call
from tests.protos import add_file, field

BOOK = "/v1/books/moby"


@pytest.mark.parametrize("target", [BOOK, "/v1/bare/moby", "/v1/whole/moby"])
async def test_a_read_has_the_resources_etag_as_a_strong_tag_wherever_the_answer_holds_it(library, target):
    async with Wire(library.address) as wire:
        got = await wire.call("GET", target)
        head = await wire.call("HEAD", target)

    assert (got.status, got["etag"]) == (200, '"1"')
    assert (head.status, head["etag"]) == (200, '"1"')


async def test_what_has_no_etag_is_told_apart_by_a_hash_of_its_body(library):
    async with Wire(library.address) as wire:
        first = await wire.call("GET", "/v1/notes/a")
        again = await wire.call("GET", "/v1/notes/a")
        other = await wire.call("GET", "/v1/notes/b")
    library.handlers.books["moby"].etag = ""
    bare = await call(library.address, "GET", BOOK)

    assert first["etag"] == again["etag"]
    assert first["etag"] != other["etag"]
    for reply in (first, bare):
        assert len(reply["etag"]) == 26
        assert reply["etag"][0] == reply["etag"][-1] == '"'


@pytest.mark.parametrize(
    ("etag", "tag"),
    [
        ("5f3a", '"5f3a"'),
        ('"5f3a"', '"%225f3a%22"'),
        ('W/"5f3a"', '"W/%225f3a%22"'),
        ("a b", '"a%20b"'),
        ("50%", '"50%25"'),
        ("a~0123abcd", '"a%7E0123abcd"'),
        ("a--gzip", '"a%2D-gzip"'),
        ("a--b", '"a--b"'),
        ("grün\r\nx: y", '"gr%C3%BCn%0D%0Ax:%20y"'),
        ("a,b;c=", '"a,b;c="'),
    ],
)
async def test_any_etag_is_written_as_a_tag_and_read_back_letter_by_letter(library, etag, tag):
    library.handlers.books["moby"].etag = etag
    async with Wire(library.address) as wire:
        got = await wire.call("GET", BOOK)
        put = await wire.call("PUT", BOOK, b'{"title": "New"}', if_match=got["etag"])
        same = await wire.call("GET", BOOK, if_none_match=got["etag"])

    assert got["etag"] == tag
    assert (put.status, same.status) == (200, 304)
    assert [
        request.book.etag
        for request in library.handlers.requests
        if request.DESCRIPTOR.name == "PutBookRequest"
    ] == [etag]
    assert tags.tag_of(etag) == tag


async def test_who_has_the_answer_gets_none_and_the_headers_that_say_so(library):
    async with Wire(library.address) as wire:
        got = await wire.call("GET", "/v1/notes/a")
        same = await wire.call("GET", "/v1/notes/a", if_none_match=got["etag"])
        after = await wire.call("GET", "/v1/notes/b")

    assert (same.status, same.body) == (304, b"")
    for header in ("etag", "cache-control", "vary"):
        assert same[header] == got[header]
    assert same.has("date")
    assert same.has("x-request-id")
    assert not same.has("content-type")
    assert not same.has("content-length")
    assert after.status == 200


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ('"1"', 304),
        ('W/"1"', 304),
        ('"0", "1"', 304),
        ('"0",W/"1" , "2"', 304),
        (', "1",', 304),
        ("*", 304),
        ('"2"', 200),
        ('"1', 400),
        ("1", 400),
        ('"1" "2"', 400),
        ('w/"1"', 400),
        ("", 400),
        ('*, "1"', 400),
    ],
)
@pytest.mark.parametrize("http_method", ["GET", "HEAD"])
async def test_if_none_match_compares_weakly_and_takes_a_list(library, http_method, value, status):
    async with Wire(library.address) as wire:
        reply = await wire.call(http_method, BOOK, if_none_match=value)

    assert reply.status == status


@pytest.mark.parametrize(
    ("value", "status"),
    [('"1"', 200), ('"0", "1"', 200), ("*", 200), ('W/"1"', 412), ('"2"', 412), ("1", 400)],
)
async def test_if_match_of_a_read_compares_strongly(library, value, status):
    reply = await call(library.address, "GET", BOOK, if_match=value)

    assert reply.status == status
    if status == 412:
        assert (reply.json["reason"], reply.json["code"]) == ("PRECONDITION_FAILED", "ABORTED")


async def test_if_match_is_looked_at_before_if_none_match(library):
    reply = await call(library.address, "GET", BOOK, if_match='"2"', if_none_match='"1"')

    assert reply.status == 412


@pytest.mark.parametrize("value", ["*", '"1"'])
async def test_a_condition_says_nothing_of_what_is_not_there(library, value):
    reply = await call(library.address, "GET", "/v1/books/absent", if_none_match=value, if_match='"7"')

    assert (reply.status, reply.json["reason"]) == (404, "BOOK_NOT_FOUND")


async def test_a_handlers_own_etag_is_the_tag(library):
    library.handlers.headers = [("etag", '"mine"')]
    async with Wire(library.address) as wire:
        got = await wire.call("GET", BOOK)
        same = await wire.call("GET", BOOK, if_none_match='"mine"')
        library.handlers.headers = [("etag", "no tag")]
        odd = await wire.call("GET", BOOK, if_none_match='"mine"')

    assert (got["etag"], same.status) == ('"mine"', 304)
    assert (odd.status, odd["etag"]) == (200, "no tag")


@pytest.mark.parametrize(
    ("http_method", "target", "body"),
    [
        ("PUT", BOOK, b'{"title": "New"}'),
        ("PATCH", BOOK, b'{"title": "New"}'),
        ("DELETE", BOOK, None),
        ("POST", f"{BOOK}:lend", b"{}"),
        ("POST", f"{BOOK}:return", b"{}"),
    ],
)
async def test_if_match_is_the_etag_of_a_write(library, http_method, target, body):
    async with Wire(library.address) as wire:
        wrong = await wire.call(http_method, target, body, if_match='"0"')
        right = await wire.call(http_method, target, body, if_match='"1"')

    assert (wrong.status, wrong.json["reason"], wrong.json["code"]) == (412, "BOOK_ETAG_MISMATCH", "ABORTED")
    assert right.status == 200
    asked = library.asked
    assert (asked.book.etag if "book" in asked.DESCRIPTOR.fields_by_name else asked.etag) == "1"


async def test_a_mismatch_is_412_wherever_the_etag_came_from_and_whoever_declares_it(library):
    async with Wire(library.address) as wire:
        by_body = await wire.call("PUT", BOOK, b'{"title": "New", "etag": "0"}')
        by_query = await wire.call("DELETE", f"{BOOK}?etag=0")
        platform = await wire.call("DELETE", f"{BOOK}?reason=platform")
        page = await wire.call("GET", "/problems/BOOK_ETAG_MISMATCH")

    assert [reply.status for reply in (by_body, by_query, platform)] == [412, 412, 412]
    assert platform.json["status"] == 412
    assert page.json["meanings"][0]["status"] == 412


@pytest.mark.parametrize(
    ("http_method", "target", "body", "field"),
    [
        ("PUT", BOOK, b'{"etag": "1"}', "book.etag"),
        ("DELETE", f"{BOOK}?etag=1", None, "etag"),
        ("POST", f"{BOOK}:return", b'{"etag": ""}', "etag"),
    ],
)
async def test_an_etag_from_two_places_is_refused_and_both_are_named(
    library, http_method, target, body, field
):
    reply = await call(library.address, http_method, target, body, if_match='"1"')

    assert reply.status == 400
    assert reply.json["violations"][0]["field"] == field
    assert "if-match" in reply.json["detail"]
    assert library.handlers.requests == []


async def test_if_match_keeps_the_rule_of_a_oneof(library):
    reply = await call(library.address, "POST", f"{BOOK}:lend", b'{"anyState": true}', if_match='"1"')

    assert (reply.status, reply.json["violations"][0]["rule"]) == (400, "http.oneof")


@pytest.mark.parametrize(
    ("http_method", "target", "body", "header"),
    [
        ("POST", "/v1/notes", b"{}", "if_match"),
        ("POST", "/v1/notes", b"{}", "if_none_match"),
        ("POST", "/v1/books:search", b"{}", "if_match"),
        ("DELETE", "/v1/notes/a", None, "if_none_match"),
        ("PUT", BOOK, b"{}", "if_none_match"),
        ("POST", "/v1/books?request_id=a", b"{}", "if_match"),
    ],
)
async def test_a_call_that_cannot_keep_a_condition_refuses_it(library, http_method, target, body, header):
    reply = await call(library.address, http_method, target, body, **{header: '"1"'})

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    assert reply.json["violations"][0]["field"] == header.replace("_", "-")
    assert library.handlers.requests == []


async def test_a_condition_about_a_part_that_was_not_sent_is_refused(library):
    reply = await call(library.address, "DELETE", "/v1/notes/a", if_match='"1"')

    assert (reply.status, reply.json["violations"][0]["field"]) == (400, "book")


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ('W/"1"', 412, "PRECONDITION_FAILED"),
        ('W/"1", "1"', 200, None),
        ('"1", "2"', 400, "INVALID_REQUEST"),
        ('"1', 400, "HTTP_MALFORMED"),
    ],
)
async def test_a_write_takes_one_strong_tag(library, value, status, reason):
    reply = await call(library.address, "PUT", BOOK, b'{"title": "New"}', if_match=value)

    assert (reply.status, reply.json.get("reason")) == (status, reason)


@pytest.mark.parametrize(
    ("http_method", "target", "body", "status"),
    [
        ("PATCH", BOOK, b'{"title": "x"}', 200),
        ("DELETE", BOOK, None, 200),
        ("DELETE", "/v1/books/absent", None, 404),
        ("PUT", BOOK, b'{"title": "x"}', 200),
        ("PUT", f"{BOOK}?allow_missing=true", b'{"title": "x"}', 400),
        ("PUT", "/v1/bare/moby", b'{"title": "x"}', 400),
        ("POST", "/v1/notes", b"{}", 400),
    ],
)
async def test_if_match_star_is_taken_where_there_must_be_one_anyway(
    library, http_method, target, body, status
):
    reply = await call(library.address, http_method, target, body, if_match="*")

    assert reply.status == status


async def test_a_create_takes_if_none_match_star_and_says_412_when_there_is_one(library):
    async with Wire(library.address) as wire:
        new = await wire.call("POST", "/v1/books?request_id=a", b'{"title": "emma"}', if_none_match="*")
        old = await wire.call("POST", "/v1/books?request_id=b", b'{"title": "emma"}', if_none_match="*")
        plain = await wire.call("POST", "/v1/books?request_id=c", b'{"title": "emma"}')
        reused = await wire.call("POST", "/v1/books?request_id=a", b'{"title": "x"}', if_none_match="*")
        listed = await wire.call("POST", "/v1/books?request_id=d", b"{}", if_none_match='"1"')
        put = await wire.call("PUT", BOOK, b'{"title": "x"}', if_none_match="*")

    assert new.status == 201
    assert (old.status, old.json["status"], old.json["code"]) == (412, 412, "ALREADY_EXISTS")
    assert (plain.status, plain.json["status"]) == (409, 409)
    assert (reused.status, reused.json["reason"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert [listed.status, put.status] == [400, 400]


async def test_a_create_that_answers_what_it_finds_takes_no_if_none_match(library):
    plain = await call(library.address, "POST", "/v1/shared", b'{"text": "x"}')
    star = await call(library.address, "POST", "/v1/shared", b'{"text": "x"}', if_none_match="*")

    assert plain.status == 200
    assert (star.status, star.json["violations"][0]["field"]) == (400, "if-none-match")
    assert len(library.handlers.requests) == 1


async def test_a_write_tells_the_tag_of_what_it_left(library):
    async with Wire(library.address) as wire:
        put = await wire.call("PUT", BOOK, b'{"title": "New"}')
        deleted = await wire.call("DELETE", BOOK)

    assert put["etag"] == '"1"'
    assert not deleted.has("etag")


def test_the_etag_of_a_request_is_found_where_its_body_may_hold_it():
    places = {
        ("DeleteBook", ""): ("etag",),
        ("PutBook", "book"): ("book", "etag"),
        ("PutBook", "*"): ("book", "etag"),
        ("LendBook", "*"): ("etag",),
        ("ListBooks", ""): (),
        ("UpdateBook", "update_mask"): (),
        ("CreateBook", "book"): (),
    }

    found = {(name, body): etag_place(SERVICE.methods_by_name[name], body) for name, body in places}

    assert found == places


@pytest.mark.parametrize("parent", ["shelf", "tagged"])
def test_the_etag_of_what_stands_below_another_field_is_not_that_fields_own(parent):
    """A lenient rule may have its body there: the condition was an error, or one about something else."""
    file = add_file(
        f'name: "tests/below/{parent}.proto" package: "tests.below.{parent}"\n'
        f'message_type {{ name: "Book" {field("name", 1, "string")} {field("etag", 2, "string")} }}\n'
        f'message_type {{ name: "Shelf" {field("book", 1, f".tests.below.{parent}.Book")} '
        + (field("etag", 2, "string") if parent == "tagged" else "")
        + f'}}\nmessage_type {{ name: "Request" {field("shelf", 1, f".tests.below.{parent}.Shelf")} }}\n'
    )
    request_type = file.message_types_by_name["Request"]
    method = method_of(request_type, request_type, lenient=True)
    method.descriptor.name, method.policy.idempotency = "ChangeBook", None
    binding = Binding("PATCH", "/v1", "shelf.book", "")
    endpoint = Endpoint(method, binding, parse("/v1"), (lenient.compile, conditional.compile))

    made = endpoint.decode(request(body=b'{"name": "x"}', if_match='"7"'))

    assert str(made) == str(type(made)(shelf={"book": {"name": "x", "etag": "7"}}))
