"""What a body is written in: `content-type` of requests, `accept` of responses."""

import pytest

from bedplate.gateway.beside import negotiate, quality
from tests.gateway.wire import Wire, call

JSON = ("application/json",)


@pytest.mark.parametrize(
    "accept",
    [
        *("", ",", "*/*", "application/json", "Application/JSON", "application/*", "text/html, */*;q=0.1"),
        *("application/json;charset=utf-8", 'application/json; charset="UTF-8"', "application/json;"),
        *("application/json;q=0.001", "*/*;q=0, application/json", "text/*;q=0, application/json;q=1.000"),
        *("application/xml, application/json;q=0.9", "application/json\t;\tq=0.5", ", application/json, ,"),
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        'application/json, text/plain;x="a,b;c\\"d"',
    ],
)
async def test_a_caller_that_takes_json_gets_it(served, accept):
    reply = await call(served.address, "GET", "/v1/things/a", accept=accept)

    assert (reply.status, reply["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "accept",
    [
        *("text/html", "application/xml, text/*", "application/json;q=0", "*/*;q=0", "application/*;q=0"),
        *("application/json;q=0, */*", "application/*;q=0, */*;q=1", "application/problem+json"),
        *("application/json;charset=iso-8859-1", "application/json;version=2", "application/json;q=0.000"),
    ],
)
async def test_a_caller_that_takes_no_json_is_told_what_there_is_before_anything_is_done(served, accept):
    reply = await call(served.address, "GET", "/v1/things/a", accept=accept)

    assert (reply.status, reply.json["reason"]) == (406, "NOT_ACCEPTABLE")
    assert reply["content-type"] == "application/problem+json"
    assert reply.json["metadata"] == {"available": "application/json"}
    assert served.handlers.entered == []


@pytest.mark.parametrize(
    "accept",
    [
        *("json", "application/", "/json", "application/json;q=2", "application/json;q=-1", "a b/c"),
        *("application/json;q", "application/json;q=x", 'application/json;x="', "application json", "é/é"),
        ",".join(["a/b"] * (quality.CHOICES_MAX + 1)),
    ],
)
async def test_an_accept_that_cannot_be_read_is_refused_by_its_name(served, accept):
    reply = await call(served.address, "GET", "/v1/things/a", accept=accept)

    assert (reply.status, reply.json["reason"]) == (400, "HTTP_MALFORMED")
    assert reply.json["detail"].startswith("The header accept ")
    assert served.handlers.entered == []


async def test_an_accept_in_several_lines_is_one_list(served):
    async with Wire(served.address) as wire:
        lines = "accept: text/html\r\naccept: application/json;q=0.1\r\n"
        head = f"GET /v1/things/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer shop-key\r\n{lines}\r\n"
        await wire.send(head.encode())
        reply = await wire.reply()

    assert reply.status == 200


async def test_a_caller_that_may_not_call_learns_that_first(served):
    reply = await call(served.address, "GET", "/v1/things/a", key="wrong", accept="text/html")

    assert reply.status == 401


async def test_a_failure_is_told_whatever_is_accepted(served):
    reply = await call(served.address, "GET", "/nowhere", accept="text/html;q=1, */*;q=0")

    assert (reply.status, reply["content-type"]) == (404, "application/problem+json")


def test_of_two_types_the_one_liked_better_is_taken_and_the_first_of_equals():
    offers = ("application/json", "text/event-stream")

    assert negotiate.best("*/*", offers) == "application/json"
    assert negotiate.best("text/event-stream, application/json;q=0.9", offers) == "text/event-stream"
    assert negotiate.best("text/*;q=0.5, application/*;q=0.5", offers) == "application/json"
    assert negotiate.best("*/*;q=0.1, text/*", offers) == "text/event-stream"
    assert negotiate.best("image/*", offers) == ""


def test_the_most_specific_range_holds_wherever_it_stands():
    for text in (
        "application/json;q=0, */*",
        "*/*, application/json;q=0",
        "application/*, application/json;q=0",
    ):
        assert negotiate.best(text, JSON) == ""


def test_a_long_header_of_open_quotes_takes_no_time():
    with pytest.raises(ValueError, match="does not end"):
        quality.choices('a/b;x="' + '\\"' * 15_000)
    with pytest.raises(ValueError, match="parts"):
        quality.choices(" ;" * 15_000 + "," + "a," * 200)


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;"),
        *(
            'application/json;charset="UTF-8"',
            "application/json ; Charset=utf8",
            "application/json; profile=x",
        ),
    ],
)
async def test_json_in_utf_8_is_taken(served, content_type):
    reply = await call(served.address, "POST", "/v1/things", b'{"limit": 1}', content_type=content_type)

    assert (reply.status, reply.json["thing"]) == (200, {"limit": 1})


@pytest.mark.parametrize(
    "content_type",
    [
        *("-", "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/json; charset=latin-1", "application/jsonx", "json", "application/grpc", "text/json"),
        *("application/json, text/plain", "application/json; charset=utf-8; charset=utf-16"),
        *("application/json-patch+json", "application/vnd.api+json", "application/merge-patch+json"),
        *('application/json; charset="utf-8', "application/json; charset", "*/*"),
    ],
)
async def test_any_other_body_is_refused_and_what_is_taken_is_named(served, content_type):
    reply = await call(served.address, "POST", "/v1/things", b"{}", content_type=content_type)

    assert (reply.status, reply.json["reason"]) == (415, "CONTENT_TYPE_UNSUPPORTED")
    assert reply["accept"] == reply["accept-post"] == reply.json["metadata"]["accept"] == "application/json"
    assert served.handlers.entered == []


async def test_a_patch_may_be_called_a_merge_patch(served):
    merge = "application/merge-patch+json"
    target = "/v1/racks/1/parts/2"
    reply = await call(served.address, "PATCH", target, b'{"limit": 1}', content_type=merge)
    other = await call(served.address, "PATCH", target, b"[]", content_type="application/json-patch+json")

    assert reply.status == 200
    assert (other.status, other["accept-patch"]) == (415, "application/json, application/merge-patch+json")


async def test_a_request_without_a_body_may_say_any_type(served):
    assert (await call(served.address, "GET", "/v1/things/a", content_type="text/plain")).status == 200
    assert (await call(served.address, "POST", "/v1/things", b"", content_type="text/plain")).status == 200
