"""Headers over HTTP: which are read, which are sent, and how long a caller waits."""

import asyncio

import pytest

from bedplate.gateway import headers
from bedplate.gateway.exchange import HEADERS_READ
from tests.gateway.wire import Wire, call


async def test_responses_are_not_to_be_stored_or_guessed_at(served):
    for target in ("/v1/things/a", "/nowhere", "/healthz", "/problems/INTERNAL", "/metrics"):
        reply = await call(served.address, "GET", target)
        assert reply["cache-control"] == "no-store", target
        assert reply["x-content-type-options"] == "nosniff", target


SPELLINGS = [
    *("grpc-metadata-tenant", "Grpc-Metadata-X-Bedplate-Tenant", "grpcgateway-authorization", "grpc-tenant"),
    *("x-bedplate-principal", "X-BEDPLATE-TENANT", "bedplate-tenant", "x-forwarded-user", "x-user-bin"),
    *("grpc-previous-rpc-attempts", "grpc-status-details-bin", "x-envoy-original-path", "cookie", "x_tenant"),
    *("host-override", "x-http-method-override", "te", "forwarded", "user-agent"),
]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_no_header_but_those_of_the_list_reaches_a_handler(served, name):
    async with Wire(served.address) as wire:
        await wire.send(
            f"GET /v1/things/a HTTP/1.1\r\nhost: x\r\n{name}: other\r\nauthorization: Bearer shop-key\r\n"
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
            "x-request-id: mine\r\ngrpc-timeout: 2S\r\n\r\n".encode()
        )
        reply = await wire.reply()

    assert reply.status == 200
    assert set(reply.json["metadata"]) == {"authorization", "traceparent", "x-request-id"}
    assert reply["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "x" * 129, "é", '"', "a,b", "<script>"])
async def test_a_request_id_that_is_not_plain_is_ours_instead(served, value):
    reply = await call(served.address, "GET", "/v1/things/a", x_request_id=value)

    assert reply.status == 200
    assert reply["x-request-id"] == reply["x-trace-id"]
    assert "x-request-id" not in reply.json["metadata"]


async def test_handlers_set_headers_within_bounds(served):
    async def label(request, call):
        call.response_headers += [
            ("x-stock", "3"),
            ("etag", '"1"'),
            ("x-break", "a\r\nset-cookie: b"),
            ("set-cookie", "a"),
            ("content-length", "1"),
            ("x-trace-id", "forged"),
            ("x-bytes-bin", b"1"),
            ("grpc-status", "0"),
        ]

    served.handlers.before = label
    reply = await call(served.address, "GET", "/v1/things/a")

    assert (reply["x-stock"], reply["etag"]) == ("3", '"1"')
    assert not any(reply.has(name) for name in ("set-cookie", "x-break", "x-bytes-bin", "grpc-status"))
    assert reply["x-trace-id"] != "forged"


TIMEOUTS = {
    ("grpc_timeout", "3S"): 3.0,
    ("grpc_timeout", "2500m"): 2.5,
    ("grpc_timeout", "99999999u"): 30.0,  # 100 s, which is more than the contract's maximum
    ("grpc_timeout", "1H"): 30.0,
    ("x_server_timeout", "2"): 2.0,
    ("x_server_timeout", "2.5"): 2.5,
    ("x_server_timeout", "99999999"): 30.0,
    ("x_request_id", "none"): 5.0,
}


@pytest.mark.parametrize("header", TIMEOUTS)
async def test_the_caller_says_how_long_it_waits(served, header):
    remaining_s: list[float] = []

    async def look(request, call):
        remaining_s.append(call.remaining_s())

    served.handlers.before = look
    reply = await call(served.address, "GET", "/v1/things/a", **{header[0]: header[1]})

    assert reply.status == 200
    assert TIMEOUTS[header] - 1.0 < remaining_s[0] <= TIMEOUTS[header]


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"grpc_timeout": value}
            for value in ("", "3", "S", "123456789S", "-1S", "1.5S", "3s", "3 S", "1S,1S")
        ),
        *(
            {"x_server_timeout": value}
            for value in ("", "-1", "+1", "1s", "1e3", ".5", "1.", "inf", "nan", "1_0")
        ),
        {"grpc_timeout": "1S", "x_server_timeout": "1"},
    ],
)
async def test_a_timeout_that_cannot_be_read_is_refused(served, headers):
    reply = await call(served.address, "GET", "/v1/things/a", **headers)

    assert (reply.status, reply.json["reason"]) == (400, "HTTP_MALFORMED")
    assert "timeout" in reply.json["detail"]


async def test_a_call_that_takes_too_long_answers_504(served):
    ended = asyncio.Event()

    async def hang(request, call):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    served.handlers.before = hang
    reply = await call(served.address, "GET", "/v1/things/a", grpc_timeout="50m")

    assert (reply.status, reply.json["reason"]) == (504, "DEADLINE_EXCEEDED")
    assert ended.is_set()


def test_what_becomes_metadata_is_read_at_the_door():
    assert set(headers.METADATA) <= HEADERS_READ
