"""What every response tells browsers, whoever made it."""

import pytest

from bedplate.gateway.exchange import PageResponse, Response
from bedplate.settings import Settings
from bedplate.transport.http_more import MoreLines
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire
from tests.transport.certificates import Authority

NO_PAGE = "default-src 'none'; form-action 'none'; frame-ancestors 'none'"


async def test_no_answer_can_be_misused_by_a_page():
    async with open_door(http_connections=1) as served, Wire(served.address) as wire:
        replies = [
            await wire.call("GET", "/v1/things/a"),
            await wire.call("GET", "/v1/things/a", key=None),
            await wire.call("GET", "/nowhere"),
            await wire.call("GET", "/healthz"),
            await wire.call("GET", "/problems/ROUTE_NOT_FOUND"),
            await wire.call("GET", "/openapi.json"),
            await wire.call("OPTIONS", "/v1/things/a"),
        ]
        async with Wire(served.address) as crowded:
            replies.append(await crowded.reply())
        await wire.send(b"nonsense\r\n\r\n")
        replies.append(await wire.reply())

    assert [reply.status for reply in replies] == [200, 401, 404, 200, 200, 200, 204, 503, 501]
    for reply in replies:
        assert reply["x-content-type-options"] == "nosniff"
        assert reply["content-security-policy"] == NO_PAGE
        assert reply["referrer-policy"] == "no-referrer"
        assert not reply.has("strict-transport-security")


async def test_a_page_for_people_says_itself_what_it_loads():
    async with open_door() as served, Wire(served.address) as wire:
        page = await wire.call("GET", "/reference")

    assert page["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert page["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, False),
        ({"tls_elsewhere": True, "http_address": "0.0.0.0:0"}, False),
        ({"tls": True}, False),
        ({"tls": True, "http_address": "0.0.0.0:0"}, True),
        ({"tls": True, "production": True}, True),
    ],
)
def test_browsers_are_kept_to_tls_where_this_server_ends_it_and_others_reach_it(tmp_path, settings, said):
    given = dict(settings)
    if given.pop("tls", False):
        given["tls_certificate"], given["tls_key"] = Authority(tmp_path).issue("server")
    more = MoreLines(Settings(**given)).lines

    for response in (Response(200, b"", b""), PageResponse(200, b"", b"")):
        assert (b"strict-transport-security: max-age=31536000\r\n" in more(response)) is said
