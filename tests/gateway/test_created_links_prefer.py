"""201 and Location, links to the next page, and Prefer."""

import pytest

from bedplate.contract.policy import PolicyError
from bedplate.gateway.beside import created
from bedplate.gateway.routes import parse
from tests.gateway.library import FILE, message
from tests.gateway.wire import Wire, call

BOOKS = "/v1/books"
RESPONSE = FILE.message_types_by_name["BookResponse"]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (f"{BOOKS}?request_id=a", b'{"title": "emma"}'),
        ("/v1/orders", b'{"requestId":"a","book":{"title":"emma"}}'),
    ],
)
async def test_a_call_that_made_something_answers_201_and_where_it_is(library, target, body):
    async with Wire(library.address) as wire:
        made = await wire.call("POST", target, body)
        there = await wire.call("GET", made["location"])

    assert (made.status, made["location"]) == (201, "/v1/books/emma")
    assert there.json["book"] == made.json["book"]


async def test_a_path_is_escaped_so_that_it_leads_to_what_was_made(library):
    async with Wire(library.address) as wire:
        made = await wire.call("POST", f"{BOOKS}?request_id=a", '{"title": "a/b c:d?ü%2F"}'.encode())
        there = await wire.call("GET", made["location"])

    assert made["location"] == "/v1/books/a%2Fb%20c%3Ad%3F%C3%BC%252F"
    assert there.json["book"]["bookId"] == "a/b c:d?ü%2F"


async def test_a_call_that_only_looked_has_made_nothing(library):
    reply = await call(
        library.address, "POST", f"{BOOKS}?request_id=a&validate_only=true", b'{"title": "emma"}'
    )

    assert reply.status == 200
    assert not reply.has("location")


@pytest.mark.parametrize(
    ("template", "book", "path"),
    [
        ("/v1/books/{book.book_id}", {"book_id": "a/b"}, "/v1/books/a%2Fb"),
        ("/v1/{book.book_id=books/*}", {"book_id": "books/a b"}, "/v1/books/a%20b"),
        ("/v1/{book.book_id=**}", {"book_id": "a/b c"}, "/v1/a/b%20c"),
        (
            "/v1/books/{book.book_id}/pages/{book.page_count}",
            {"book_id": "a", "page_count": 3},
            "/v1/books/a/pages/3",
        ),
        ("/v1/books/{book.book_id}/pages/{book.page_count}", {"book_id": "a"}, ""),
        ("/v1/books/{book.author.name}:read", {"author": {"name": "x"}}, "/v1/books/x:read"),
        ("/v1/books/{book.author.name}", {}, ""),
    ],
)
def test_a_path_is_made_of_the_response(template, book, path):
    locate = created.locator(template, RESPONSE, "here")

    assert locate(message("BookResponse", book=book), ()) == path


def test_what_is_above_the_new_resource_may_come_from_the_path_that_it_was_made_by():
    asked = parse("/v1/shelves/{shelf_id}/books")
    locate = created.locator("/v1/shelves/{shelf_id}/books/{book.book_id}", RESPONSE, "here", asked)

    assert locate(message("BookResponse", book={"book_id": "b"}), ("a/c",)) == "/v1/shelves/a%2Fc/books/b"
    with pytest.raises(PolicyError, match="shelf_id is no field"):
        created.locator("/v1/shelves/{shelf_id}", RESPONSE, "here", parse("/v1/books"))


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("/v1/books/{book.isbm}", "book.isbm is no field of tests.library.v1.BookResponse"),
        ("/v1/books/{book}", "must be a string or a whole number"),
        ("/v1/books/{book.tags}", "is in a list"),
        ("/v1/books/{book.labels.x}", "is in a list"),
        ("/v1/books/{book.title.x}", "is no field"),
        ("/v1/books", "names no field of the response"),
        ("/v1/*/{book.title}", "a \\* that is no field"),
        ("v1/{book.title}", "here"),
        ("/v1//{book.title}", "here"),
    ],
)
def test_a_path_that_the_response_cannot_give_stops_the_start(template, says):
    with pytest.raises(PolicyError, match=says):
        created.locator(template, RESPONSE, "here")


def page(token):
    return message("ListBooksResponse", next_page_token=token)


@pytest.mark.parametrize(
    ("target", "link"),
    [
        (BOOKS, "/v1/books?page_token=t"),
        (f"{BOOKS}?filter=a+b&page_size=2", "/v1/books?filter=a+b&page_size=2&page_token=t"),
        (f"{BOOKS}?page_token=old&filter=%3E", "/v1/books?filter=%3E&page_token=t"),
        (f"{BOOKS}?pageToken=old", "/v1/books?page_token=t"),
        (f"{BOOKS}?page%5Ftoken=old", "/v1/books?page_token=t"),
    ],
)
@pytest.mark.parametrize("http_method", ["GET", "HEAD"])
async def test_a_page_names_the_next_one(library, http_method, target, link):
    library.handlers.answer = page("t")
    async with Wire(library.address) as wire:
        reply = await wire.call(http_method, target)
        library.handlers.answer = page("")
        last = await wire.call("GET", target)

    assert reply["link"] == f'<{link}>; rel="next"'
    assert not last.has("link")


async def test_the_link_leads_to_the_next_page_whatever_the_token_holds(library):
    token = 'a&b=c >"\r\n/ü%41+'
    library.handlers.answer = page(token)
    async with Wire(library.address) as wire:
        reply = await wire.call("GET", BOOKS)
        target = reply["link"].removeprefix("<").partition(">")[0]
        await wire.call("GET", target)

    assert library.asked.page_token == token


async def test_a_search_that_is_no_get_has_no_link(library):
    library.handlers.answer = page("t")

    reply = await call(library.address, "POST", "/v1/books:search", b"{}")

    assert reply.status == 200
    assert not reply.has("link")


@pytest.mark.parametrize(
    "value", ["return=minimal", 'respond-async, Return = "minimal"; x=1, return=representation']
)
async def test_who_wants_no_answer_gets_none(library, value):
    async with Wire(library.address) as wire:
        put = await wire.call("PUT", "/v1/books/moby", b'{"title": "x"}', prefer=value)
        made = await wire.call("POST", f"{BOOKS}?request_id=a", b'{"title": "emma"}', prefer=value)

    assert (put.status, put.body, put["etag"]) == (204, b"", '"1"')
    assert (made.status, made.body, made["location"]) == (201, b"", "/v1/books/emma")
    for reply in (put, made):
        assert reply["preference-applied"] == "return=minimal"
        assert not reply.has("content-type")


@pytest.mark.parametrize("value", ["wait=1", "return=nothing", "handling=strict", "", "minimal", ",;="])
async def test_other_preferences_change_nothing(library, value):
    reply = await call(library.address, "PUT", "/v1/books/moby", b'{"title": "x"}', prefer=value)

    assert (reply.status, reply.json["book"]["title"]) == (200, "x")
    assert not reply.has("preference-applied")


async def test_a_read_and_a_failure_are_answered_whole(library):
    async with Wire(library.address) as wire:
        read = await wire.call("GET", "/v1/books/moby", prefer="return=minimal")
        failed = await wire.call("DELETE", "/v1/books/absent", prefer="return=minimal")
        whole = await wire.call("PUT", "/v1/books/moby", b"{}", prefer="return=representation")

    assert (read.status, read.json["book"]["bookId"]) == (200, "moby")
    assert (failed.status, failed.json["reason"]) == (404, "BOOK_NOT_FOUND")
    assert (whole.status, whole["preference-applied"]) == (200, "return=representation")
