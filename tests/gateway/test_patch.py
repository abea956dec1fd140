"""PATCH: masks that are derived of a body, masks that are given, and what they may not name."""

import json

import pytest

from tests.gateway.wire import call

BOOK = "/v1/books/moby"


async def patch(library, body, query="", target=BOOK, **headers):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(library.address, "PATCH", target + query, sent, **headers)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"title": "x"}, ["title"]),
        ({"title": "x", "pageCount": 3}, ["page_count", "title"]),
        ({"page_count": 3}, ["page_count"]),
        ({"title": ""}, ["title"]),
        ({"title": None}, ["title"]),
        ({"author": {"name": "x"}}, ["author.name"]),
        ({"author": {"displayName": "x", "name": None}}, ["author.display_name", "author.name"]),
        ({"author": {}}, ["author"]),
        ({"author": None}, ["author"]),
        ({"tags": ["a"]}, ["tags"]),
        ({"tags": []}, ["tags"]),
        ({"labels": {"a": "b"}}, ["labels"]),
        ({"notes": {"deep": {"er": 1}}}, ["notes"]),
        ({"dueTime": "2026-01-01T00:00:00Z"}, ["due_time"]),
        ({"title": "x", "etag": "1"}, ["title"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("query", ["", "?update_mask="])
async def test_a_mask_is_derived_of_what_the_body_names(library, body, paths, query):
    reply = await patch(library, body, query)

    assert reply.status == 200, reply.body
    assert list(library.asked.update_mask.paths) == paths
    assert not library.asked.HasField("read_mask")


async def test_null_clears_lists_and_maps_are_replaced_and_the_rest_stays(library):
    reply = await patch(library, {"title": None, "tags": ["new"], "labels": {}, "author": {"name": "Herman"}})

    assert reply.status == 200
    book = reply.json["book"]
    assert "title" not in book
    assert "labels" not in book
    assert book["tags"] == ["new"]
    assert book["author"] == {"name": "Herman", "displayName": "H. Melville", "rank": 3}
    assert book["isbn"] == "111"


async def test_a_given_mask_clears_what_the_body_leaves_out(library):
    reply = await patch(library, {"title": "x"}, "?updateMask=title,author.name")

    assert reply.status == 200
    assert reply.json["book"]["title"] == "x"
    assert "name" not in reply.json["book"]["author"]


async def test_a_given_mask_leaves_alone_what_it_does_not_name(library):
    reply = await patch(library, {"title": "x", "pageCount": 9, "isbn": "222"}, "?updateMask=title")

    assert reply.status == 200
    assert "pageCount" not in reply.json["book"]
    assert reply.json["book"]["isbn"] == "111"


async def test_the_star_stands_alone_and_replaces_all_that_may_change(library):
    reply = await patch(library, {"title": "x"}, "?updateMask=*")

    book = reply.json["book"]
    assert (book["title"], book["isbn"], "tags" in book) == ("x", "111", False)


@pytest.mark.parametrize(
    ("mask", "rule", "says"),
    [
        ("titel", "mask.unknown", "did you mean title?"),
        ("author.nam", "mask.unknown", "did you mean author.name?"),
        ("tags.a", "mask.below", "name tags itself"),
        ("labels.shelf", "mask.below", "name labels itself"),
        ("isbn", "mask.immutable", "cannot be changed"),
        ("bookId", "mask.immutable", "cannot be changed"),
        ("createTime", "mask.output_only", "never taken"),
        ("author.rank", "mask.output_only", "never taken"),
        ("*,title", "mask.star", "alone"),
    ],
)
async def test_a_given_mask_is_held_against_the_resource(library, mask, rule, says):
    reply = await patch(library, {"title": "x"}, f"?updateMask={mask}")

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    (violation,) = reply.json["violations"]
    assert violation["rule"] == rule
    assert violation["field"].startswith("update_mask.paths[")
    assert says in violation["description"]
    assert library.handlers.requests == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"isbn": "222"}, ["book.isbn"]),
        ({"isbn": None, "title": "x"}, ["book.isbn"]),
        ({"createTime": "2026-01-01T00:00:00Z"}, ["book.create_time"]),
        ({"author": {"rank": 1}}, ["book.author.rank"]),
        ({"isbn": "2", "author": {"rank": 1}}, ["book.author.rank", "book.isbn"]),
    ],
    ids=str,
)
async def test_a_body_that_means_to_change_what_nobody_may_is_refused_by_name(library, body, fields):
    reply = await patch(library, body)

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    assert sorted(violation["field"] for violation in reply.json["violations"]) == fields
    assert library.handlers.requests == []


@pytest.mark.parametrize("body", [b"{}", b"", b'{"etag": "1"}', b"null"])
async def test_a_patch_of_nothing_is_refused(library, body):
    reply = await patch(library, body)

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    assert "nothing to change" in reply.json["detail"]
    assert library.handlers.requests == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"titel": "x"}', 400), (b'{"title": 3}', 400), (b'{"title": "x"', 400), (b"[]", 400)],
)
async def test_a_body_that_does_not_fit_is_refused_as_everywhere(library, body, status):
    reply = await patch(library, body)

    assert reply.status == status
    assert library.handlers.requests == []


async def test_an_id_of_the_path_is_no_part_of_the_change(library):
    twice = await patch(library, {"bookId": "moby", "title": "x"})
    assert twice.json["violations"][0]["rule"] == "http.twice"

    reply = await patch(library, {"title": "x"})

    assert list(library.asked.update_mask.paths) == ["title"]
    assert reply.json["book"]["bookId"] == "moby"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"book": {"bookId": "moby"}, "updateMask": "title"}, ["title"]),
        ({"book": {"title": None, "author": {"name": "x"}}}, ["author.name", "title"]),
    ],
    ids=str,
)
async def test_a_body_that_is_the_whole_request_may_hold_its_mask_or_say_it(library, body, paths):
    reply = await patch(library, body, target="/v1/changes")

    assert reply.status in (200, 404), reply.body
    assert list(library.asked.update_mask.paths) == paths


async def test_a_body_that_is_the_whole_request_and_changes_nothing_is_refused(library):
    reply = await patch(library, {"readMask": "title"}, target="/v1/changes")

    assert reply.status == 400
    assert library.handlers.requests == []


@pytest.mark.parametrize(
    ("body", "query", "paths"),
    [
        ({"title": "x", "createTime": "2026-01-01T00:00:00Z"}, "", []),
        ({}, "", []),
        ({"title": "x"}, "?updateMask=title", ["title"]),
    ],
    ids=str,
)
async def test_a_lenient_patch_does_as_grpc_gateway(library, body, query, paths):
    reply = await patch(library, body, query, target="/v1/lenient/moby")

    # Two masks in one request: none is derived.
    assert reply.status == 200, reply.body
    assert list(library.asked.update_mask.paths) == paths
